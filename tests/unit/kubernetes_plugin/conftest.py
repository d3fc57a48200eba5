from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sophia_infra.kubernetes_plugin.connection import Connection
from sophia_infra.kubernetes_plugin.kubeconfig import load_kubeconfig
from sophia_infra.kubernetes_plugin.objects import Objects
from sophia_infra.kubernetes_plugin.session import Session
from sophia_infra.kubernetes_plugin.settings import Settings
from tests.unit.kubernetes_plugin.api_server import ApiServer
from tests.unit.kubernetes_plugin.certificates import Authority, kubeconfig_text
from tests.unit.kubernetes_plugin.scenes import RESOURCES, Listener

TOKEN = "-".join(["a", "token", "nobody", "may", "see"])


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def _one_server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    server = ApiServer(authority.server(), tmp_path_factory.mktemp("server"))
    yield server
    server.close()


@pytest.fixture
def server(_one_server: ApiServer) -> ApiServer:
    """One server for the whole run, which forgets everything between two tests."""
    _one_server.answers.clear()
    _one_server.asked.clear()
    return _one_server


class Clock:
    """Monotonic seconds that pass only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Patience:
    """Stands for the event that ends waits: waiting moves the clock; `stop_after` waits, it is set."""

    def __init__(self, clock: Clock, stop_after: int | None = None) -> None:
        self._clock = clock
        self._left = stop_after

    def wait(self, seconds: float) -> bool:
        self._clock.sleep(seconds)
        if self._left is not None:
            self._left -= 1
        return self._left is not None and self._left <= 0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def connect(server: ApiServer, authority: Authority, clock: Clock) -> Callable[..., Connection]:
    """Make a connection to the server; keywords go to the kubeconfig."""

    def make(url: str = "", **keywords: Any) -> Connection:
        given = {"ca": authority.pem, "token": TOKEN} | keywords
        text = kubeconfig_text(url or server.url, **given)
        return Connection(load_kubeconfig(text), clock=clock, sleep=clock.sleep)

    return make


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def objects(server: ApiServer, authority: Authority, listener: Listener) -> Callable[..., Objects]:
    server.answer("/api/v1", RESOURCES)

    def make(sort: type[Objects] = Objects, url: str = "", **settings: Any) -> Objects:
        text = kubeconfig_text(url or server.url, ca=authority.pem, token=TOKEN)
        return sort(Session(Settings(kubeconfig=text, **settings), threading.Event()), listener)

    return make
