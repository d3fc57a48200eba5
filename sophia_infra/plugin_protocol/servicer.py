"""Calls of the engine in, answers and errors out. The verbs behind them are plain functions in threads."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from google.protobuf import empty_pb2
from pulumi.provider.experimental.provider import Provider
from pulumi.provider.experimental.server import ProviderServicer

from sophia_infra.plugin_protocol.answers import Failure, abort

__all__ = ["MOST_THREADS", "PluginServicer", "guarded"]

MOST_THREADS = 256
"""Waits hold a thread each; the engine's own limit of parallel steps is the one that counts."""

T = TypeVar("T")
Method = Callable[[Any, Any, Any], Coroutine[Any, Any, T]]


def guarded(method: Method[T]) -> Method[T]:
    """Turn whatever `method` raises into a gRPC status: a traceback would tell a user nothing."""

    @functools.wraps(method)
    async def answer(self: Any, message: Any, context: Any) -> T:
        try:
            return await method(self, message, context)
        except Exception as error:
            failed = self.failure_of(error)
        return await abort(context, failed, message)

    return answer


class PluginServicer(ProviderServicer):
    """Base of our providers.

    The stock servicer is replaced verb by verb: it loses unknown values, hands `diff` no old inputs, cannot
    record what exists but is not ready, and fails in `DiffConfig`.

    Args:
        version: of the plugin.
        engine_address: "host:port".
    """

    def __init__(self, version: str, engine_address: str) -> None:
        super().__init__([], version, Provider(), engine_address)
        self.cancelled = threading.Event()
        self._threads = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="verb")

    def failure_of(self, error: Exception) -> Failure:
        """How a call ends in which `error` was raised."""
        raise NotImplementedError

    def lacks(self, what: str) -> Exception:
        """The error for a part of the protocol that this provider does not have."""
        raise NotImplementedError

    @guarded
    async def Invoke(self, message: Any, _context: Any) -> Any:
        raise self.lacks(f"the function {message.tok}")

    @guarded
    async def Construct(self, message: Any, _context: Any) -> Any:
        raise self.lacks(f"the component {message.type}")

    @guarded
    async def Call(self, message: Any, _context: Any) -> Any:
        raise self.lacks(f"the method {message.tok}")

    async def Cancel(self, _message: Any, _context: Any) -> Any:
        self.stop_waiting()
        return empty_pb2.Empty()

    def stop_waiting(self) -> None:
        """Ask all waits to end, and whatever looks at `cancelled`."""
        self.cancelled.set()

    async def in_thread(self, verb: Callable[[], T]) -> T:
        """Run `verb` beside the other calls. Raises as it does."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, verb)
