"""uvicorn around the gateway: one process, an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Generator
from typing import Any, Final

from starlette.applications import Starlette
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import Server

from sophia_infra.inference.gateway.call_endpoint import TRANSPORT_EXTENSION

__all__ = ["BACKLOG", "GatewayServer", "listen_on"]

BACKLOG: Final = 2048
"""Connections that may wait to be taken: 2,000 streams that come at once."""

_KEEP_ALIVE_S: Final = 75
_LAST_WORDS_S: Final = 10.0

_log = logging.getLogger(__name__)


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with the connection in the scope so that a stalled one can be cut."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = {TRANSPORT_EXTENSION: self.transport}
        self.scope["extensions"] = extensions


class GatewayServer(Server):
    """Serves `app` until `stop`. Signals are the caller's business: nothing is raised again at the end.

    Args:
        on_ready: called once connections are accepted.
        linger_s: seconds for which calls are still taken after `stop`, while /ready says no: as long as a
            load balancer needs to notice.
        drain_s: seconds that calls under way may take after that; then they are cancelled and booked.
    """

    def __init__(
        self, app: Starlette, *, on_ready: Callable[[], None], drain_s: float, linger_s: float = 0.0
    ) -> None:
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
                backlog=BACKLOG,
                timeout_keep_alive=_KEEP_ALIVE_S,
            )
        )
        self._on_ready = on_ready
        self._drain_s = drain_s
        self._linger_s = linger_s
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End soon; on the loop's own thread, any number of times."""
        self._stopped.set()

    async def main_loop(self) -> None:
        self._on_ready()
        await self._stopped.wait()
        if self._linger_s > 0:
            await asyncio.sleep(self._linger_s)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, let calls end for `drain_s`, cancel the rest and let them be booked."""
        for server in self.servers:
            server.close()
        for one in sockets or []:
            one.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        tasks = list(self.server_state.tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._drain_s)
            if late:
                _log.warning("%d calls are cancelled: they were not done in %g s", len(late), self._drain_s)
                for task in late:
                    task.cancel()
                await asyncio.wait(late, timeout=_LAST_WORDS_S)
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def listen_on(host: str, port: int) -> socket.socket:
    """A bound TCP socket; connections are accepted once the server runs. `port` 0 lets the system choose."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound
