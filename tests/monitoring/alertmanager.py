"""A real Alertmanager on loopback, and a real HTTP server that stands for everybody whom it tells."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

__all__ = ["Alertmanager", "Message", "Receiver", "alertmanager", "faster", "receiver"]

_READY_WITHIN_S = 30.0
_POLL_S = 0.02


@dataclass(frozen=True)
class Message:
    """One call of Alertmanager: the path it asked for, and its JSON."""

    path: str
    body: Any
    at_s: float


@dataclass
class Receiver:
    """Everything that was told, in its order."""

    url: str
    messages: list[Message] = field(default_factory=list)

    def of(self, path: str) -> list[Message]:
        return [message for message in self.messages if message.path == path]

    def wait_for(
        self, path: str, about: str = "", count: int = 1, *, within_s: float = 20.0
    ) -> list[Message]:
        """The messages of a path that name `about`, when there are `count`. Fails with what came instead."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            found = [message for message in self.of(path) if about in json.dumps(message.body)]
            if len(found) >= count:
                return found
            time.sleep(_POLL_S)
        came = [message.path for message in self.messages]
        raise AssertionError(f"{count} messages at {path} did not come within {within_s:g} s; came: {came}")


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    """A server that takes every POST."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.messages.append(Message(self.path, json.loads(body), time.monotonic()))
            self.send_response(202)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_arguments: object) -> None:
            """Keeps quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    heard = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Alertmanager:
    """A server that is ready. Every method is one call of its API."""

    url: str
    log: Path

    def fire(self, *alerts: Mapping[str, str], annotations: Mapping[str, str] | None = None) -> None:
        """Alerts by their labels, as a Prometheus of the cluster would send them."""
        rows = [
            {"labels": {"cluster": "sophia", **labels}, "annotations": dict(annotations or {})}
            for labels in alerts
        ]
        requests.post(f"{self.url}/api/v2/alerts", json=rows, timeout=10).raise_for_status()

    def states(self) -> dict[str, str]:
        """Name of each alert -> active or suppressed."""
        return {row["labels"]["alertname"]: row["status"]["state"] for row in self._get("alerts")}

    def wait_for_state(self, name: str, state: str, *, within_s: float = 10.0) -> None:
        """Fails when the alert does not get there; it has none until its group is looked at."""
        deadline = time.monotonic() + within_s
        while self.states().get(name) != state:
            assert time.monotonic() < deadline, f"{name} is {self.states().get(name)}, not {state}"
            time.sleep(_POLL_S)

    def status(self) -> str:
        """The status page as text, with the configuration in it."""
        return json.dumps(self._get("status"))

    def _get(self, what: str) -> Any:
        answer = requests.get(f"{self.url}/api/v2/{what}", timeout=10)
        answer.raise_for_status()
        return answer.json()


@contextlib.contextmanager
def alertmanager(folder: Path, config: Mapping[str, Any]) -> Iterator[Alertmanager]:
    """A server of this configuration; its process has ended, whatever happened, when the block is left."""
    file, log = folder / "alertmanager.json", folder / "alertmanager.log"  # JSON is YAML
    file.write_text(json.dumps(config), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    command = [
        "prometheus-alertmanager",
        f"--config.file={file}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--log.level=debug",
    ]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            server = Alertmanager(f"http://127.0.0.1:{port}", log)
            _wait_until_ready(server, process)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def faster(value: Any, times: int) -> Any:
    """A configuration whose durations are all shorter: what takes minutes is seen in seconds."""
    if isinstance(value, Mapping):
        return {
            key: _shorter(entry, times) if _is_duration(key) else faster(entry, times)
            for key, entry in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [faster(entry, times) for entry in value]
    return value


def _is_duration(key: str) -> bool:
    return key in ("group_wait", "group_interval", "repeat_interval")


def _shorter(text: str, times: int) -> str:
    number, unit = re.fullmatch(r"(\d+)([smh])", text).groups()  # type: ignore[union-attr]
    milliseconds = int(number) * {"s": 1_000, "m": 60_000, "h": 3_600_000}[unit] // times
    return f"{milliseconds}ms"


def _wait_until_ready(server: Alertmanager, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline:
        said = server.log.read_text(encoding="utf-8", errors="replace")[-4000:]
        assert process.poll() is None, f"Alertmanager ended with {process.returncode}\n{said}"
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{server.url}/-/ready", timeout=5).ok:
                return
        time.sleep(_POLL_S)
    raise AssertionError(f"Alertmanager was not ready within {_READY_WITHIN_S:g} s")
