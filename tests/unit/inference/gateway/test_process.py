"""The gateway as a process, with a mock backend: it starts, serves, ends in order, and counts."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import httpx2
import pytest

from sophia_infra.inference.gateway.keys import key_line, make_key
from sophia_infra.inference.gateway.settings import LEDGER_FILE
from sophia_infra.inference.ledger import open_ledger, usage_report
from sophia_infra.inference.mock_backend.server import MockBackend
from sophia_infra.inference.mock_backend.settings import MockSettings
from sophia_infra.model.gateway import BackendConfig, GatewayConfig, GatewayUser

MODEL = "qwen-3-32b"
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
_WAIT_S = 60.0

pytestmark = pytest.mark.slow


@dataclass
class Process:
    popen: subprocess.Popen[bytes]
    url: str
    log: Path

    def client(self, key: str) -> httpx2.Client:
        return httpx2.Client(
            base_url=self.url, headers={"authorization": f"Bearer {key}"}, timeout=_WAIT_S, trust_env=False
        )

    def end(self) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(_WAIT_S)


class Place:
    """Configuration, keys and ledger in a folder."""

    def __init__(self, folder: Path, backend_url: str) -> None:
        self.folder = folder
        self.key = make_key("backend")
        self.write_keys(self.key)
        backend = BackendConfig(base_url=backend_url, models={MODEL: "qwen"})
        config = GatewayConfig(backends={"own": backend}, users={"backend": GatewayUser()})
        (folder / "config.json").write_text(json.dumps(config.model_dump(mode="json")))

    def write_keys(self, *keys: str) -> None:
        (self.folder / "keys").write_text("\n".join(key_line("backend", key) for key in keys))

    @contextlib.contextmanager
    def gateway(self) -> Iterator[Process]:
        endpoint, log = self.folder / "endpoint.json", self.folder / "log"
        endpoint.unlink(missing_ok=True)
        command = [sys.executable, "-m", "sophia_infra.inference.gateway"]
        for name in ("config", "keys", "endpoint-file"):
            file = {"config": "config.json", "keys": "keys", "endpoint-file": "endpoint.json"}[name]
            command += [f"--{name}", str(self.folder / file)]
        with log.open("wb") as output:
            popen = subprocess.Popen(command, stderr=output)
            try:
                until(endpoint.exists)
                process = Process(popen, json.loads(endpoint.read_text())["url"], log)
                until(lambda: httpx2.get(f"{process.url}/ready", trust_env=False).status_code == 200)
                yield process
            finally:
                popen.kill()
                popen.wait(_WAIT_S)


def until(condition: object) -> None:
    """Look until it holds; a minute at most."""
    assert callable(condition)
    deadline_s = time.monotonic() + _WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, "it never came"
        time.sleep(0.01)


def counted_usd(client: httpx2.Client) -> Decimal:
    lines = client.get("/metrics").text.splitlines()
    costs = [line.rpartition(" ")[2] for line in lines if line.startswith("lambda_inference_cost_total{")]
    return sum((Decimal(cost) for cost in costs), Decimal(0))


def test_it_serves_books_and_counts_from_its_start(tmp_path: Path) -> None:
    """Costs two starts of a process; buys that header, ledger and counters agree, and none counts twice."""
    with MockBackend(MockSettings(models=("qwen",))) as mock:
        place = Place(tmp_path, mock.base_url)
        with place.gateway() as gateway, gateway.client(place.key) as client:
            answers = [client.post("/v1/chat/completions", json=BODY) for _ in range(3)]
            paid = sum((Decimal(answer.headers["x-sophia-cost-usd"]) for answer in answers), Decimal(0))
            assert counted_usd(client) == paid
            assert gateway.end() == 0
        with contextlib.closing(open_ledger(f"sqlite:///{tmp_path / LEDGER_FILE}")) as ledger:
            report = usage_report(ledger, by="user")
            assert [(row.name, row.requests, row.usd) for row in report.rows] == [("backend", 3, paid)]
        with place.gateway() as gateway, gateway.client(place.key) as client:
            assert counted_usd(client) == 0
            more = client.post("/v1/chat/completions", json=BODY).headers["x-sophia-cost-usd"]
            assert counted_usd(client) == Decimal(more)
            assert place.key not in gateway.log.read_text()
            assert "hello" not in gateway.log.read_text()


def test_after_sigterm_a_stream_under_way_ends_as_usual(tmp_path: Path) -> None:
    """Costs a start of a process; buys that a rollout cuts no answer."""
    with MockBackend(MockSettings(models=("qwen",), token_s=0.2)) as mock:
        place = Place(tmp_path, mock.base_url)
        with place.gateway() as gateway, gateway.client(place.key) as client:
            with client.stream("POST", "/v1/chat/completions", json=BODY | {"stream": True}) as stream:
                lines = stream.iter_lines()
                first = next(lines)
                gateway.popen.send_signal(signal.SIGTERM)
                rest = list(lines)
            assert first.startswith("data: ")
            assert "data: [DONE]" in rest
            assert gateway.popen.wait(_WAIT_S) == 0


def test_keys_change_without_a_restart(tmp_path: Path) -> None:
    """Costs a start of a process; buys that a leaked key can be shut out at once."""
    with MockBackend(MockSettings(models=("qwen",))) as mock:
        place = Place(tmp_path, mock.base_url)
        with place.gateway() as gateway:
            new = make_key("backend")
            with gateway.client(place.key) as client:
                assert client.get("/v1/models").status_code == 200
                place.write_keys(new)
                gateway.popen.send_signal(signal.SIGHUP)
                until(lambda: client.get("/v1/models").status_code == 401)
            with gateway.client(new) as client:
                assert client.get("/v1/models").status_code == 200
