"""uvicorn around the application: in a thread for tests, or as the whole process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any

from starlette.applications import Starlette
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import Server

from sophia_infra.emulator.cloud import Cloud
from sophia_infra.emulator.persistence import Keeper
from sophia_infra.emulator.settings import CloudSettings
from sophia_infra.emulator.wire.app import create_app
from sophia_infra.emulator.wire.replies import TRANSPORT_EXTENSION

__all__ = ["BACKLOG", "EmulatorServer", "LoopbackServer", "listen_on"]

BACKLOG = 256
KEEP_ALIVE_S = 75
"""Longer than uvicorn's 5 s, so that a paced client does not meet a closed connection."""

_START_TIMEOUT_S = 10.0
_LINGER_S = 1.0


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with the transport in the scope so that a fault can cut the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = {TRANSPORT_EXTENSION: self.transport}
        self.scope["extensions"] = extensions


class LoopbackServer(Server):
    """Serves `app` on a listening socket until `stop`, without signals of its own and without polling."""

    def __init__(self, app: Starlette, *, on_ready: Callable[[], None]) -> None:
        super().__init__(
            Config(
                app,
                http=_Protocol,
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
            )
        )
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

    async def main_loop(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self._on_ready()
        if not self._stop_asked:
            await self._stopped.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        """Take no more connections, let running requests end for a moment, close the rest."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        tasks = list(self.server_state.tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_LINGER_S)
            for task in late:
                task.cancel()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def listen_on(host: str, port: int) -> socket.socket:
    """A listening TCP socket. From now on the system accepts connections; `port` 0 lets it choose."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


class EmulatorServer:
    """An emulated Lambda Cloud in a thread, on 127.0.0.1 and a port the system chooses.

        with EmulatorServer(CloudSettings(transitions="immediate")) as emulator:
            requests.get(emulator.url + "/api/v1/regions", headers={"Authorization": "Bearer any"})
            emulator.cloud.advance(300)

    Args:
        cloud: the account to serve, or settings for a new one with a virtual clock.
        keeper: who keeps the account beyond this process; nobody by default.
    """

    def __init__(self, cloud: Cloud | CloudSettings | None = None, *, keeper: Keeper | None = None) -> None:
        self.cloud = cloud if isinstance(cloud, Cloud) else Cloud(cloud)
        self._ready = threading.Event()
        self._server = LoopbackServer(create_app(self.cloud, keeper), on_ready=self._ready.set)
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self.url = ""

    def __enter__(self) -> EmulatorServer:
        self._socket = listen_on("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="lambda-emulator", daemon=True
        )
        self._thread.start()
        if not self._ready.wait(_START_TIMEOUT_S):
            raise RuntimeError(f"the emulator did not start within {_START_TIMEOUT_S} s")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self.cloud.lock:
            self.cloud.faults.clear(go_on=False)
        self._server.stop()
        if self._thread is not None:
            self._thread.join(_START_TIMEOUT_S)
        if self._socket is not None:
            self._socket.close()
