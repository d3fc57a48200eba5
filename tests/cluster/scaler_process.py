"""The node scaler's own entry point as a process, beside an emulator, with the token of its account."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import requests
import urllib3

from sophia_infra.kubernetes_plugin.kubeconfig import Kubeconfig
from sophia_infra.kubernetes_plugin.transport import make_pool
from tests.emulator.emulator_client import API_KEY

_WAIT_S = 40.0


@dataclass
class Account:
    """A ServiceAccount as a pod is it: an address, a token, an authority."""

    server: str
    token: str = field(repr=False)
    ca: bytes = field(repr=False)
    _pool: urllib3.PoolManager | None = field(default=None, repr=False)

    def ask(self, method: str, path: str, body: Any = None, *, apply: bool = False) -> tuple[int, str]:
        """Status and text of one request with the token."""
        if self._pool is None:
            self._pool = make_pool(Kubeconfig(self.server, "account", ca=self.ca, token=self.token))
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        url = f"{self.server}{path}"
        if apply:
            headers["Content-Type"] = "application/apply-patch+yaml"
            url += "?fieldManager=sophia-scaler&force=true"
        data = None if body is None else json.dumps(body)
        answer = self._pool.request(method, url, body=data, headers=headers, retries=False, timeout=20)
        return answer.status, answer.data.decode()

    def lay(self, folder: Path) -> None:
        """As the kubelet mounts it."""
        folder.mkdir()
        (folder / "token").write_text(self.token, "utf-8")
        (folder / "ca.crt").write_bytes(self.ca)


@dataclass(frozen=True)
class Cloud:
    """A running emulator."""

    url: str

    def add_key(self, name: str) -> None:
        self._ask("POST", "ssh-keys", {"name": name, "public_key": "ssh-ed25519 AAAA ops"})

    def machines(self) -> list[dict[str, Any]]:
        return list(self._ask("GET", "instances"))

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        auth = {"Authorization": f"Bearer {API_KEY}"}
        answer = requests.request(method, f"{self.url}/api/v1/{path}", json=body, headers=auth, timeout=10)
        answer.raise_for_status()
        return answer.json()["data"]


@contextmanager
def running_cloud(speed: int) -> Iterator[Cloud]:
    """An emulator in a process of its own, `speed` virtual seconds a second."""
    command = [sys.executable, "-m", "sophia_infra.emulator", "--speed", str(speed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Cloud(process.stdout.readline().split()[2].rstrip(","))
        finally:
            process.kill()


class ScalerProcess:
    """A scaler that runs; its lines are read from a file, so that it never waits for a reader."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process = process
        self._folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def line(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first pass that fits, waited for."""
        until_s = time.monotonic() + _WAIT_S
        while True:
            rows: list[dict[str, Any]] = [
                json.loads(line) for line in (self._folder / "out").read_text().splitlines(keepends=True)
            ]
            found = next((row for row in rows if fits(row)), None)
            if found is not None:
                return found
            assert self._process.poll() is None, self.everything()
            assert time.monotonic() < until_s, self.everything()
            time.sleep(0.05)

    def metrics(self) -> str:
        log = (self._folder / "log").read_text()
        url = log.partition(" serving ")[2].split()[0]
        return requests.get(url, timeout=10).text

    def end(self) -> int:
        """SIGTERM, and the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(_WAIT_S)

    def everything(self) -> str:
        return (self._folder / "log").read_text() + (self._folder / "out").read_text()


def started(folder: Path, config: str, join: str, account: Account, cloud: Cloud) -> ScalerProcess:
    """What the container starts, with files where the pod has its mounts."""
    folder.mkdir()
    account.lay(folder / "account")
    (folder / "scaler.json").write_text(config, "utf-8")
    (folder / "join.json").write_text(join, "utf-8")
    address = urlsplit(account.server)
    command = [sys.executable, "-m", "sophia_infra.scaling.serving", "scaler"]
    for option, value in (
        ("config", folder / "scaler.json"),
        ("join", folder / "join.json"),
        ("state", folder / "state"),
        ("account", folder / "account"),
        ("listen", "127.0.0.1:0"),
    ):
        command += [f"--{option}", str(value)]
    environment = {
        **os.environ,
        "KUBERNETES_SERVICE_HOST": str(address.hostname),
        "KUBERNETES_SERVICE_PORT": str(address.port),
        "LAMBDA_API_URL": cloud.url,
        "LAMBDA_API_KEY": API_KEY,
    }
    with (folder / "out").open("wb") as out, (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=log)
    return ScalerProcess(process, folder)
