from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sophia_infra.emulator import Cloud, CloudSettings, EmulatorServer
from sophia_infra.model.clock import VirtualClock
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
def _server(clock: VirtualClock) -> Iterator[EmulatorServer]:
    """One account for the whole run, as new for each test; only its time goes on."""
    with EmulatorServer(Cloud(CloudSettings(validate_answers=True), clock)) as server:
        yield server


@pytest.fixture
def ground(_server: EmulatorServer, clock: VirtualClock, tmp_path: Path) -> Iterator[Ground]:
    _server.cloud.reset()
    ground = Ground(_server.url, _server.cloud, clock, tmp_path / "home")
    yield ground
    ground.close()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with open_site(tmp_path, monkeypatch) as site:
        yield site
