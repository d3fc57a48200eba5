"""A small HTTPS server on loopback that answers as a test tells it and remembers what it was asked."""

from __future__ import annotations

import json
import ssl
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.unit.kubernetes_plugin.certificates import Authority, Pair

VERSION = {"major": "1", "minor": "36"}


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


def refusal(code: int, reason: str, message: str, *causes: dict[str, str]) -> Answer:
    """An error as API servers write it."""
    body = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    return Answer(code, {**body, "details": {"causes": list(causes)}})


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Handshakes that fail are what some tests are about."""


class ApiServer:
    """Answers `/version` itself, everything else from `answers`: the next of the path, the last one for ever.

    A path without answers is a 404. With `clients`, only certificates of that authority pass the handshake.
    """

    def __init__(self, pair: Pair, folder: Path, clients: Authority | None = None) -> None:
        self.answers: dict[str, deque[Answer]] = {}
        self.asked: list[Asked] = []
        file = folder / "server.pem"
        file.write_bytes(b"\n".join(pair))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        if clients:
            context.load_verify_locations(cadata=clients.pem.decode())
            context.verify_mode = ssl.CERT_REQUIRED
        self._server = _QuietServer(("127.0.0.1", 0), self._handler(), bind_and_activate=True)
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def answer(self, path: str, *answers: Answer | dict[str, Any]) -> None:
        """Set what `path` answers, one after the other."""
        self.answers[path] = deque(one if isinstance(one, Answer) else Answer(body=one) for one in answers)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _next(self, path: str) -> Answer:
        if path == "/version" and path not in self.answers:
            return Answer(body=VERSION)
        waiting = self.answers.get(path)
        if not waiting:
            return refusal(404, "NotFound", f"{path} not found")
        return waiting.popleft() if len(waiting) > 1 else waiting[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                text = self.rfile.read(length)
                parts = urlsplit(self.path)
                if parts.path != "/version":
                    body = json.loads(text) if text else None
                    query = dict(parse_qsl(parts.query))
                    asked = Asked(self.command, parts.path, query, dict(self.headers), body)
                    outer.asked.append(asked)
                answer = outer._next(parts.path)
                raw = (
                    answer.body.encode() if isinstance(answer.body, str) else json.dumps(answer.body).encode()
                )
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_PATCH = do_DELETE = do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                """Say nothing on stderr."""

        return Handler
