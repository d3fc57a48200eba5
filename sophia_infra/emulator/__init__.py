"""Lambda Cloud in a process: the vendor's 37 operations over HTTP, with a clock that tests control."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sophia_infra.emulator.cloud import Cloud
from sophia_infra.emulator.settings import CloudSettings

if TYPE_CHECKING:
    from sophia_infra.emulator.server import EmulatorServer
    from sophia_infra.emulator.wire.app import create_app

__all__ = ["Cloud", "CloudSettings", "EmulatorServer", "create_app"]


def __getattr__(name: str) -> object:
    # uvicorn and starlette take a quarter of a second to import; the state alone does not need them.
    if name == "EmulatorServer":
        from sophia_infra.emulator.server import EmulatorServer

        return EmulatorServer
    if name == "create_app":
        from sophia_infra.emulator.wire.app import create_app

        return create_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
