"""The emulator in the background: one process per project folder, found again by its endpoint file."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sophia_infra.engine.home import Home

__all__ = [
    "EMULATOR_API_KEY",
    "EmulatorEndpoint",
    "EmulatorUnavailable",
    "ensure_emulator",
    "find_emulator",
    "stop_emulator",
]

EMULATOR_API_KEY = "emulator-needs-no-key"
"""What the emulator is given in place of a key: the user's own key never leaves for it."""

_START_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 10.0
_POLL_S = 0.02


class EmulatorUnavailable(Exception):
    """The emulator could not be started or stopped."""


@dataclass(frozen=True, slots=True)
class EmulatorEndpoint:
    """A running emulator: its address, process id, and virtual seconds per real second."""

    url: str
    pid: int
    speed: float


def find_emulator(home: Home) -> EmulatorEndpoint | None:
    """The running emulator of this project folder, None when there is none."""
    try:
        fields = json.loads(_endpoint_file(home).read_text(encoding="utf-8"))
        endpoint = EmulatorEndpoint(str(fields["url"]), int(fields["pid"]), float(fields["speed"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return endpoint if _health(endpoint.url) is not None else None


def ensure_emulator(home: Home, speed: float) -> EmulatorEndpoint:
    """The running emulator, or one started now in the background with its state under `home.emulator`.

    Args:
        speed: virtual seconds per real second, for a new one; a running one keeps its own.

    Raises:
        EmulatorUnavailable: it did not start in 15 s; the message holds the end of its log.
    """
    running = find_emulator(home)
    if running is not None:
        return running
    _endpoint_file(home).unlink(missing_ok=True)
    log = home.logs / "emulator.log"
    command = [sys.executable, "-m", "sophia_infra.emulator", "--host", "127.0.0.1", "--port", "0"]
    command += ["--speed", str(speed), "--state-file", str(home.emulator / "cloud.json")]
    command += ["--endpoint-file", str(_endpoint_file(home))]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True
        )
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        endpoint = find_emulator(home)
        if endpoint is not None:
            return endpoint
        time.sleep(_POLL_S)
    if process.poll() is None:
        process.terminate()
    last_lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
    raise EmulatorUnavailable("The emulator did not start. " + " ".join(last_lines or ["It said nothing."]))


def stop_emulator(home: Home) -> bool:
    """Stop the background emulator; its state stays on disk. False when none was running."""
    endpoint = find_emulator(home)
    if endpoint is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(endpoint.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while time.monotonic() < deadline:
        if _health(endpoint.url) is None:
            return True
        time.sleep(_POLL_S)
    raise EmulatorUnavailable(
        f"The emulator (process {endpoint.pid}) did not stop within {_STOP_TIMEOUT_S:.0f} s."
    )


def _endpoint_file(home: Home) -> Path:
    return home.emulator / "endpoint.json"


def _health(url: str) -> dict[str, Any] | None:
    # urllib, not requests: 0.2 s of imports would be most of the time of `sophia status`.
    try:
        with urllib.request.urlopen(f"{url}/_emulator/health", timeout=2) as answer:  # noqa: S310 (our own file names it)
            document = json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return None
    return document if isinstance(document, dict) and document.get("ready") else None
