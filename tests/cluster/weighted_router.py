"""Two real HTTP servers and a router before them that does what an HTTPRoute in a real API server says.

No controller of Gateway API runs in this tier, so this stands in for Traefik: each call goes to a backend
with the probability of its weight, and to 503 where nobody has the host.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import urllib3

from sophia_infra.control_plane.api_client import ApiClient
from sophia_infra.control_plane.errors import RequestRefused
from tests.cluster.plane import Plane


class Side(ThreadingHTTPServer):
    """A service that says its name; `is_broken` makes it answer 500."""

    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _SideHandler)
        self.name = name
        self.is_broken = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _SideHandler(BaseHTTPRequestHandler):
    server: Side

    def do_GET(self) -> None:
        body = self.server.name.encode()
        self.send_response(500 if self.server.is_broken else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        return


@dataclass
class Router:
    """Sends calls by the weights that stand in the API server at this moment."""

    plane: Plane
    path: str
    sides: dict[str, Side] = field(default_factory=dict)
    seed: random.Random = field(default_factory=lambda: random.Random(7))

    def call(self, client: ApiClient, pool: urllib3.PoolManager) -> tuple[int, str]:
        """(status, name of the side) of one call."""
        try:
            route: dict[str, Any] = client.request("GET", self.path)
        except RequestRefused:
            return 503, ""
        backends = route["spec"]["rules"][0]["backendRefs"]
        [chosen] = self.seed.choices(backends, [side["weight"] for side in backends])
        answer = pool.request("GET", self.sides[chosen["name"]].url, retries=False)
        return answer.status, answer.data.decode()

    def share(self, calls: int = 200) -> dict[str, int]:
        """Side -> calls of `calls` that it answered; every one has to be answered well."""
        counted: dict[str, int] = {}
        with ApiClient(self.plane.kubeconfig) as client, urllib3.PoolManager() as pool:
            for _ in range(calls):
                status, name = self.call(client, pool)
                assert status == 200, f"{name} answered {status}"
                counted[name] = counted.get(name, 0) + 1
        return counted


@contextmanager
def two_sides(plane: Plane, path: str, old: str, new: str) -> Iterator[Router]:
    """Both run until the end: that is what a fallback is."""
    with ExitStack() as stack:
        router = Router(plane, path)
        for service, name in ((old, "swarm"), (new, "kubernetes")):
            side = stack.enter_context(Side(name))
            thread = threading.Thread(target=side.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            stack.callback(thread.join)
            stack.callback(side.shutdown)
            router.sides[service] = side
        yield router
