"""One served plugin on the emulated account of a test, and messages to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc.aio
import pytest

from sophia_infra.native_provider.servicer import LambdaServicer
from sophia_infra.provider.session import Session
from tests.unit.plugin_protocol.served import Served
from tests.unit.provider.stage import Stage

__all__ = ["Plugin", "play", "refused", "urn"]

Scene = Callable[["Plugin"], Awaitable[Any]]


class Plugin(Served[LambdaServicer]):
    """Not configured yet. `said` has (urn, line) of what was shown to the user."""

    def __init__(self, stage: Stage) -> None:
        self.said: list[tuple[str, str]] = []
        self.read: dict[str, Any] = {}

        def open_session(get: Any, *, say: Any, cancelled: Callable[[], bool]) -> Session:
            self.read = {key: get(f"sophia:{key}") for key in ("endpoint", "lambda_api_key", "fleet")}
            session = stage.session()
            session.say = say
            session.stop_requested = cancelled
            return session

        servicer = LambdaServicer(
            "1.0.0", "127.0.0.1:1", lambda urn, line: self.said.append((urn, line)), open_session
        )
        super().__init__(servicer)


def play(stage: Stage, scene: Scene) -> Any:
    """Run `scene` with a configured plugin."""

    async def run() -> Any:
        async with Plugin(stage) as plugin:
            await plugin.configure(endpoint="emulator")
            return await scene(plugin)

    return asyncio.run(run())


def refused(stage: Stage, scene: Scene) -> grpc.aio.AioRpcError:
    """The error in which `scene` ends: never with a traceback."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        play(stage, scene)
    assert "Traceback" not in str(error.value.details())
    return error.value


def urn(kind: str = "Instance", name: str = "core") -> str:
    return f"urn:pulumi:test::sophia-infra::sophia:lambda:Fleet$lambda:index:{kind}::{name}"
