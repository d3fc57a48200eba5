"""A real HTTP service on loopback that answers as scripted, and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Reply:
    """One scripted answer. `drop` closes the connection instead; `cut` sends half of the body."""

    status: int = 200
    body: object = None
    """JSON when it is no bytes."""
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    cut: bool = False
    hold: threading.Event | None = None
    """Answer only once this is set."""

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def data(payload: object, **siblings: object) -> Reply:
    """A success with `payload` under `data`."""
    return Reply(200, {"data": payload, **siblings})


def error(status: int, code: str, message: str = "no", **more: str) -> Reply:
    """A refusal in the API's form."""
    return Reply(status, {"error": {"code": code, "message": message, **more}})


DROP = Reply(drop=True)


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any
    connection: tuple[str, int]


class ScriptedService:
    """Answers `METHOD path` with its script, one reply after the other; the last one stays."""

    def __init__(self, port: int = 0) -> None:
        self.asked: list[Asked] = []
        self._scripts: defaultdict[str, deque[Reply]] = defaultdict(deque)
        self._lock = threading.Lock()
        service = self

        class Handler(_Handler):
            scripted = service

        self._server = _Server(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def reset(self) -> None:
        """Forget scripts and requests."""
        with self._lock:
            self.asked = []
            self._scripts.clear()

    def script(self, method_and_path: str, *replies: Reply) -> None:
        """Answer this method and path so from now on."""
        with self._lock:
            self._scripts[method_and_path] = deque(replies)

    def take(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            script = self._scripts.get(f"{asked.method} {asked.path}")
            if not script:
                return error(404, "global/not-found", f"nothing scripted for {asked.method} {asked.path}")
            return script.popleft() if len(script) > 1 else script[0]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    # With the usual 5, of 32 clients at once some would wait a second for their connection.
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        # A client that gave up waiting is a scripted case, not an accident.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    scripted: ClassVar[ScriptedService]

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        parts = urlsplit(self.path)
        reply = self.scripted.take(
            Asked(
                self.command,
                parts.path,
                parse_qs(parts.query),
                dict(self.headers.items()),
                json.loads(raw) if raw else None,
                self.client_address,
            )
        )
        if reply.hold is not None:
            reply.hold.wait(10)
        if reply.drop:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(reply.status)
        headers = {"Content-Type": "application/json", **reply.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.content)))
        self.end_headers()
        half = len(reply.content) // 2
        self.wfile.write(reply.content[:half] if reply.cut else reply.content)
        if reply.cut:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def log_message(self, *_: object) -> None:
        pass
