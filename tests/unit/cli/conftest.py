"""A project in a temporary folder, and an emulator in this process that the command reaches by its URL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sophia_infra.emulator import CloudSettings, EmulatorServer
from sophia_infra.emulator.cloud import Cloud
from sophia_infra.model.clock import ScaledClock
from tests.unit.cli.sophia_command import A10, Sophia

SPEED = 600.0


@pytest.fixture
def emulator() -> Iterator[EmulatorServer]:
    with EmulatorServer(Cloud(CloudSettings(), ScaledClock(SPEED))) as server:
        yield server


@pytest.fixture
def stopped(tmp_path: Path) -> Sophia:
    """The command with a right stack file and no emulator."""
    sophia = Sophia(tmp_path / "project", tmp_path / "home")
    sophia.write_config({"a": A10})
    return sophia


@pytest.fixture
def sophia(stopped: Sophia, emulator: EmulatorServer) -> Sophia:
    """The same, pointed at the emulator."""
    stopped.environment["LAMBDA_API_URL"] = emulator.url
    return stopped
