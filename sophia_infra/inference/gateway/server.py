"""The gateway's server: calls are taken while load balancers notice its end, then finished, then booked."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final

from starlette.applications import Starlette

from sophia_infra.http_server import SocketServer

__all__ = ["BACKLOG", "GatewayServer"]

BACKLOG: Final = 2048
"""Connections that may wait to be taken: 2,000 streams that come at once."""

_LAST_WORDS_S: Final = 10.0

_log = logging.getLogger(__name__)


class GatewayServer(SocketServer):
    """Serves `app` until `stop`. Signals are the caller's business: nothing is raised again at the end.

    Args:
        on_ready: called once connections are accepted.
        notice_s: seconds for which calls are still taken after `stop`, while /ready says no: as long as a
            load balancer needs to notice.
        drain_s: seconds that calls under way may take after that; then they are cancelled and booked.
    """

    def __init__(
        self, app: Starlette, *, on_ready: Callable[[], None], drain_s: float, notice_s: float = 0.0
    ) -> None:
        super().__init__(app, on_ready=on_ready, backlog=BACKLOG, linger_s=drain_s)
        self._notice_s = notice_s

    async def main_loop(self) -> None:
        await super().main_loop()
        if self._notice_s > 0:
            await asyncio.sleep(self._notice_s)

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
            _, late = await asyncio.wait(tasks, timeout=self.linger_s)
            if late:
                _log.warning("%d calls are cancelled: they were not done in %g s", len(late), self.linger_s)
                for task in late:
                    task.cancel()
                await asyncio.wait(late, timeout=_LAST_WORDS_S)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
