"""The idle connections to one of our own backends."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import Final
from urllib.parse import urlsplit

from sophia_infra.inference.gateway.wire import Connection, WireBroken

__all__ = ["ConnectionPool"]

_CONNECT_TIMEOUT_S: Final = 5.0


class ConnectionPool:
    """Connections to one address. How many there are at once is the caller's business.

    Args:
        base_url: http or https.
    """

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._host = parts.hostname or ""
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._idle: deque[Connection] = deque()

    @property
    def idle(self) -> int:
        return len(self._idle)

    async def take(self) -> Connection:
        """An open connection: the one used last, or a new one. Raises WireBroken."""
        loop = asyncio.get_running_loop()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_fresh(loop.time()):
                return connection
            connection.abort()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                _, connection = await loop.create_connection(
                    lambda: Connection(self), self._host, self._port, ssl=self._tls
                )
        except (OSError, TimeoutError):
            raise WireBroken from None
        return connection

    def keep(self, connection: Connection) -> None:
        """It is idle from now on."""
        self._idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """It is closed. Rare for one that is idle, so the search does not matter."""
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """Close those that are idle."""
        while self._idle:
            self._idle.pop().abort()
