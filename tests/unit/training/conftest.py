from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sophia_infra.emulator import Cloud, CloudSettings
from sophia_infra.model.clock import VirtualClock
from tests.unit.provider.in_process import InProcessServer
from tests.unit.provider.ram_folder import ram_folder
from tests.unit.training.command_site import Site, open_site
from tests.unit.training.ground import Ground


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "NETRC", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("LAMBDA_API_KEY", "LAMBDA_API_URL", "SOPHIA_HOME"):
        monkeypatch.delenv(name, raising=False)
    # Nobody pulls the plug of this machine during a test, and fsync is most of a record's time.
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="session")
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(scope="session")
def _server(clock: VirtualClock) -> Iterator[InProcessServer]:
    """One account for the whole run, as new for each test; only its time goes on."""
    with InProcessServer(Cloud(CloudSettings(validate_answers=True), clock)) as server:
        yield server


@pytest.fixture
def quick_path() -> Iterator[Path]:
    with ram_folder() as folder:
        yield folder


@pytest.fixture
def ground(_server: InProcessServer, clock: VirtualClock, quick_path: Path) -> Iterator[Ground]:
    _server.cloud.reset()
    ground = Ground(_server.url, _server.cloud, clock, quick_path / "home")
    yield ground
    ground.close()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with open_site(tmp_path, monkeypatch) as site:
        yield site
