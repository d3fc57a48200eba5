"""Three pages over HTTP for a small server: /metrics, /health and /ready. Knows no other room.

ListenError
├── CannotListen   the address is taken, not of this machine, or not allowed (user)
└── AddressRefused the text is no address (user)
"""

from __future__ import annotations

import socketserver
import sys
import threading
from collections.abc import Callable, Iterable
from socket import AF_INET, AF_INET6
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Final, Literal, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["AddressRefused", "CannotListen", "ListenError", "MetricsServer", "parse_address"]

_IDLE_S: Final = 30.0
"""Seconds after which a client that says nothing loses its connection and gives back its thread."""

_LOOK_S: Final = 0.1
"""Seconds until the server notices that it has to end."""

_THREAD_TIMEOUT_S: Final = 5.0


class ListenError(Exception):
    """Base of what is wrong with an address to listen on.

    Attributes:
        fault: whose.
        retry: whether the same call may succeed later without a change.
        next_step: what to do now, an imperative sentence.
    """

    fault: ClassVar[Literal["user", "ours"]] = "user"
    retry: ClassVar[bool] = False
    next_step: ClassVar[str] = "correct the value."

    def __init__(self, message: str) -> None:
        super().__init__(f"{message} Next: {self.next_step}")


class AddressRefused(ListenError):
    """The text to listen on is no address."""

    next_step = "write HOST:PORT, such as 127.0.0.1:9105 or [::1]:9105; port 0 lets the system choose."


class CannotListen(ListenError):
    """The system does not give this address."""

    retry = True
    next_step = "choose another address, or end what listens there."


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:9105` or `[::1]:9105`. Raises AddressRefused."""
    host, colon, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or not port.isascii() or not port.isdecimal() or int(port) > 65_535:
        raise AddressRefused(f"{text!r} is no address to listen on.")
    if ":" in host and not is_bracketed:
        raise AddressRefused(f"{text!r} is no address to listen on: an IPv6 address stands in brackets.")
    return host.strip("[]"), int(port)


class MetricsServer:
    """Serves a registry from a thread while the `with` block lasts; a thread for each request.

    Args:
        registry: what /metrics shows.
        listen: host and port; port 0 lets the system choose.
        is_ready: whether /ready answers 200, else 503.
        waits_for: what /ready says until then.
        is_alive: whether /health answers 200, else 503. Default: as long as the process serves.

    Raises:
        CannotListen: the system does not give the address.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        listen: tuple[str, int],
        is_ready: Callable[[], bool],
        *,
        waits_for: str = "nothing was looked at yet",
        is_alive: Callable[[], bool] = lambda: True,
    ) -> None:
        host, port = listen
        pages = _pages(registry, is_ready, waits_for, is_alive)
        kind = _ServerOfIPv6 if ":" in host else _Server
        try:
            self._server = make_server(host, port, pages, kind, _Handler)
        except OSError as error:
            raise CannotListen(
                f"Nobody can listen on {_url(host, port)}: {error.strerror or error}."
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_LOOK_S,), name="metrics", daemon=True
        )
        self.url = _url(host, self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join(_THREAD_TIMEOUT_S)
        self._server.server_close()


def _pages(
    registry: CollectorRegistry,
    is_ready: Callable[[], bool],
    waits_for: str,
    is_alive: Callable[[], bool],
) -> WSGIApplication:
    metrics: WSGIApplication = make_wsgi_app(registry)

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return metrics(environ, start_response)
        if path == "/ready" and not is_ready():
            return _text(start_response, "503 Service Unavailable", waits_for)
        if path == "/health" and not is_alive():
            return _text(start_response, "503 Service Unavailable", "it hangs")
        if path in ("/health", "/ready"):
            return _text(start_response, "200 OK", "ok")
        return _text(start_response, "404 Not Found", "there are /metrics, /health and /ready")

    return serve


def _text(start_response: StartResponse, status: str, text: str) -> Iterable[bytes]:
    body = f"{text}\n".encode()
    start_response(
        status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    )
    return [body]


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    address_family = AF_INET
    request_queue_size = 64

    def server_bind(self) -> None:
        # Without the look-up of the host's full name, which waits for DNS where there is none.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: object, client_address: object) -> None:
        # A client that went away is no accident; anything else is told as usual.
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _ServerOfIPv6(_Server):
    address_family = AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = _IDLE_S

    def log_message(self, *_: object) -> None:
        """Nothing: a scrape every few seconds is no news."""


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
