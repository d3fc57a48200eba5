"""Processes that the local stack keeps in the background: started once, found by a file, ended by id."""

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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sophia_infra.privacy import PRIVATE_UMASK, open_private

__all__ = [
    "BackgroundUnavailable",
    "answers",
    "ask_json",
    "read_endpoint",
    "start_background",
    "stop_background",
]

START_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 10.0
_POLL_S = 0.02
_SHOWN_LOG_LINES = 5

T = TypeVar("T")

# A proxy of the environment cannot reach our own loopback: asked through it, all that runs seems stopped.
_LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))

_started: dict[int, subprocess.Popen[bytes]] = {}
"""Children of this process: whoever starts one and stops it also has to collect it."""


class BackgroundUnavailable(Exception):
    """A process of the local stack could not be started or stopped. The log says why."""


def start_background(
    what: str,
    module: str,
    arguments: Sequence[str],
    *,
    log: Path,
    find: Callable[[], T | None],
    environment: dict[str, str] | None = None,
) -> T:
    """Run `python -m module arguments` apart from this process and return what `find` finds of it.

    Args:
        what: its name in messages, "The emulator".
        log: file for all that it prints; its end becomes part of the message.
        environment: of the process, default this one's.

    Raises:
        BackgroundUnavailable: it ended, or was not found within 15 s.
    """
    with open(log, "wb", opener=open_private) as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            env=environment,
            umask=PRIVATE_UMASK,
        )
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        found = find()
        if found is not None:
            _started[process.pid] = process
            return found
        time.sleep(_POLL_S)
    if process.poll() is None:
        process.terminate()
        process.wait(_STOP_TIMEOUT_S)
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_SHOWN_LOG_LINES:]
    raise BackgroundUnavailable(f"{what} did not start. {' '.join(lines) or 'It said nothing.'}")


def stop_background(
    what: str, pid: int, is_up: Callable[[], bool], *, timeout_s: float = _STOP_TIMEOUT_S
) -> None:
    """End process `pid` by SIGTERM and wait until it is gone; its state stays on disk.

    Raises:
        BackgroundUnavailable: it still answers after `timeout_s`.
    """
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    own = _started.pop(pid, None)
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if (own is None or own.poll() is not None) and not is_up():
            return
        time.sleep(_POLL_S)
    raise BackgroundUnavailable(f"{what} (process {pid}) did not stop within {timeout_s:.0f} s.")


def read_endpoint(file: Path) -> dict[str, Any]:
    """The fields that a background process wrote once it listened; empty when it did not."""
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return fields if isinstance(fields, dict) else {}


def answers(url: str) -> bool:
    """Whether `url` answers 200 within 2 s."""
    try:
        with _LOOPBACK.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def ask_json(url: str) -> dict[str, Any]:
    """What `url` answers, empty when it does not answer with a JSON object."""
    # urllib, not requests: 0.2 s of imports would be most of the time of `sophia status`.
    try:
        with _LOOPBACK.open(url, timeout=2) as answer:
            document = json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return {}
    return document if isinstance(document, dict) else {}
