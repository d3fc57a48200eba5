from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sophia_infra.emulator import Cloud, CloudSettings
from sophia_infra.model.clock import VirtualClock
from tests.unit.provider.in_process import InProcessServer
from tests.unit.provider.stage import Stage


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "NETRC", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("LAMBDA_API_KEY", "LAMBDA_API_URL", "SOPHIA_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(scope="session")
def _server(clock: VirtualClock) -> Iterator[InProcessServer]:
    """One account for the whole run, as new for each test; only its time goes on."""
    with InProcessServer(Cloud(CloudSettings(validate_answers=True), clock)) as server:
        yield server


@pytest.fixture
def stage(_server: InProcessServer, clock: VirtualClock, tmp_path: Path) -> Iterator[Stage]:
    _server.cloud.reset()
    stage = Stage(_server.url, _server.cloud, clock, tmp_path / "launches")
    yield stage
    stage.close()
