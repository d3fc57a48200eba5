"""The emulator in the background: one process per project folder, found again by its endpoint file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sophia_infra.cli.background import ask_json, read_endpoint, start_background, stop_background
from sophia_infra.engine.home import Home

__all__ = ["EMULATOR_API_KEY", "EmulatorEndpoint", "ensure_emulator", "find_emulator", "stop_emulator"]

EMULATOR_API_KEY = "emulator-needs-no-key"
"""What the emulator is given in place of a key: the user's own key never leaves for it."""

_WHAT = "The emulator"


@dataclass(frozen=True, slots=True)
class EmulatorEndpoint:
    """A running emulator: its address, process id, and virtual seconds per real second."""

    url: str
    pid: int
    speed: float


def find_emulator(home: Home) -> EmulatorEndpoint | None:
    """The running emulator of this project folder, None when there is none."""
    fields = read_endpoint(_endpoint_file(home))
    try:
        endpoint = EmulatorEndpoint(str(fields["url"]), int(fields["pid"]), float(fields["speed"]))
    except (ValueError, KeyError, TypeError):
        return None
    return endpoint if _is_ready(endpoint.url) else None


def ensure_emulator(home: Home, speed: float) -> EmulatorEndpoint:
    """The running emulator, or one started now in the background with its state under `home.emulator`.

    Args:
        speed: virtual seconds per real second, for a new one; a running one keeps its own.

    Raises:
        BackgroundUnavailable: it did not start in 15 s; the message holds the end of its log.
    """
    running = find_emulator(home)
    if running is not None:
        return running
    _endpoint_file(home).unlink(missing_ok=True)
    arguments = ["--host", "127.0.0.1", "--port", "0", "--speed", str(speed)]
    arguments += ["--state-file", str(home.emulator / "cloud.json")]
    arguments += ["--endpoint-file", str(_endpoint_file(home))]
    return start_background(
        _WHAT,
        "sophia_infra.emulator",
        arguments,
        log=home.logs / "emulator.log",
        find=lambda: find_emulator(home),
    )


def stop_emulator(home: Home) -> bool:
    """Stop the background emulator; its state stays on disk. False when none was running."""
    endpoint = find_emulator(home)
    if endpoint is None:
        return False
    stop_background(_WHAT, endpoint.pid, lambda: _is_ready(endpoint.url))
    return True


def _endpoint_file(home: Home) -> Path:
    return home.emulator / "endpoint.json"


def _is_ready(url: str) -> bool:
    return bool(ask_json(f"{url}/_emulator/health").get("ready"))
