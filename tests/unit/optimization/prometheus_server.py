"""What speaks Prometheus' API on loopback and answers what a test says. Not a test itself."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Server:
    """Answers what the test says; keeps what it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 200
        self.body: str | None = None
        self.vectors: dict[str, list[dict[str, Any]]] = {}
        self.matrices: dict[str, list[dict[str, Any]]] = {}
        self.values: dict[str, float] = {}
        self.nodes: list[str] = []
        self.asked: list[dict[str, str]] = []
        self.tokens: list[str | None] = []

    def steady(self, question: dict[str, str]) -> list[dict[str, Any]]:
        """Series of one value over the whole range that was asked for."""
        if not question["query"].startswith(tuple(self.values)) or not self.values:
            return []
        value = next(one for part, one in self.values.items() if question["query"].startswith(part))
        moments = range(int(float(question["start"])), int(float(question["end"])) + 1, int(question["step"]))
        return [
            {"metric": {"node": node}, "values": [[at, str(value)] for at in moments]} for node in self.nodes
        ]

    def answer(self, path: str, question: dict[str, str]) -> str:
        if self.body is not None:
            return self.body
        kind = "matrix" if path.endswith("query_range") else "vector"
        rows = self.matrices if kind == "matrix" else self.vectors
        result = next((found for part, found in rows.items() if part in question["query"]), [])
        if kind == "matrix" and not result:
            result = self.steady(question)
        return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}})


@contextlib.contextmanager
def serve() -> Iterator[Server]:
    """A server on loopback that ends with the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            question = {key: rows[0] for key, rows in parse_qs(parts.query).items()}
            made.asked.append(question)
            made.tokens.append(self.headers.get("Authorization"))
            body = made.answer(parts.path, question).encode()
            self.send_response(made.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        made = Server(f"http://127.0.0.1:{http.server_port}")
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield made
        http.shutdown()
        thread.join()
