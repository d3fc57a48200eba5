"""Bytes over a socket, for what no HTTP client would send."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

__all__ = ["exchange", "status_of"]

_TIMEOUT_S = 20.0


def exchange(url: str, *sent: bytes) -> bytes:
    """Send to the server of `url` and return all that comes until it closes the connection.

    A server that has refused may close before everything was sent; what it answered counts.
    """
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=_TIMEOUT_S) as connection:
        try:
            for part in sent:
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass
        received = bytearray()
        try:
            while part := connection.recv(65_536):
                received += part
        except ConnectionResetError:
            pass
        return bytes(received)


def status_of(answer: bytes) -> int:
    """The status of the first answer; 0 when the connection was closed without one."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0
