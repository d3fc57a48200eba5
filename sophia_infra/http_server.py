"""uvicorn on a socket of ours, as a whole process or in a thread for tests. Knows no other room."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Coroutine, Generator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from uvicorn.config import Config
from uvicorn.server import Server

from sophia_infra.http_protocol import TRANSPORT_EXTENSION, LimitedProtocol

__all__ = [
    "BACKLOG",
    "TRANSPORT_EXTENSION",
    "SocketServer",
    "ThreadedServer",
    "listen_on",
    "url_of",
    "write_endpoint",
]

BACKLOG: Final = 256
KEEP_ALIVE_S: Final = 75
"""Longer than uvicorn's 5 s, so that a paced client does not meet a closed connection."""

_THREAD_TIMEOUT_S = 10.0
_LAST_WORDS_S = 1.0

T = TypeVar("T")


class SocketServer(Server):
    """Serves `app` on listening sockets until `stop`, without signals of its own and without polling.

    Args:
        app: an ASGI application.
        on_ready: called once connections are accepted.
        backlog: connections that may wait to be taken.
        linger_s: seconds that running requests may take after `stop`; then they are cancelled.
    """

    def __init__(
        self, app: Any, *, on_ready: Callable[[], None], backlog: int = BACKLOG, linger_s: float = 1.0
    ) -> None:
        super().__init__(
            Config(
                app,
                http=LimitedProtocol,
                ws="none",
                loop="uvloop",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                backlog=backlog,
            )
        )
        self.linger_s = linger_s
        self._on_ready = on_ready
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None
        self._stop_asked = False

    def stop(self) -> None:
        """End `run` soon; from any thread, any number of times, also before it has begun."""
        self._stop_asked = True
        loop, stopped = self._loop, self._stopped
        if loop is not None and stopped is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended already
                loop.call_soon_threadsafe(stopped.set)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the server's loop, from another thread."""
        if self._loop is None:
            raise RuntimeError("the server does not run")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_THREAD_TIMEOUT_S)

    async def main_loop(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self._on_ready()
        if not self._stop_asked:
            await self._stopped.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        """Take no more connections, let running requests end for `linger_s`, cancel and close the rest."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        tasks = list(self.server_state.tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self.linger_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_LAST_WORDS_S)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class ThreadedServer:
    """A server in a thread while the `with` block lasts, on 127.0.0.1 and a port that the system chooses."""

    def __init__(self, app: Any, name: str, *, backlog: int = BACKLOG, linger_s: float = 1.0) -> None:
        self._ready = threading.Event()
        self._name = name
        self._backlog = backlog
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self.server = SocketServer(app, on_ready=self._ready.set, backlog=backlog, linger_s=linger_s)
        self.url = ""

    def __enter__(self) -> Self:
        self._socket = listen_on("127.0.0.1", 0, self._backlog)
        self.url = url_of(self._socket)
        self._thread = threading.Thread(
            target=self.server.run, args=([self._socket],), name=self._name, daemon=True
        )
        self._thread.start()
        if not self._ready.wait(_THREAD_TIMEOUT_S):
            raise RuntimeError(f"{self._name} did not start within {_THREAD_TIMEOUT_S} s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.server.stop()
        if self._thread is not None:
            self._thread.join(_THREAD_TIMEOUT_S)
        if self._socket is not None:
            self._socket.close()


def listen_on(host: str, port: int, backlog: int = BACKLOG) -> socket.socket:
    """A listening TCP socket. From now on the system accepts connections; `port` 0 lets it choose."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(backlog)
    except OSError:
        listening.close()
        raise
    return listening


def url_of(listening: socket.socket) -> str:
    """Scheme, host and port of a socket."""
    host, port, *_ = listening.getsockname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def write_endpoint(path: Path, fields: Mapping[str, Any]) -> None:
    """Write `fields` and the process id as JSON: at once, and readable by the owner only."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({**fields, "pid": os.getpid()}, file)
    temporary.replace(path)
