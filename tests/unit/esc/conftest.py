"""A real ESC emulator on loopback, and our client for it through the real SDK."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sophia_infra.esc import EnvironmentName, EscAccess, EscClient, SecretText
from sophia_infra.esc.emulator.server import EscEmulatorServer
from sophia_infra.esc.emulator.state import Store
from tests.unit.esc.esc_values import TOKEN, VARIABLE


@pytest.fixture
def emulator() -> Iterator[EscEmulatorServer]:
    with EscEmulatorServer(Store(), SecretText(TOKEN)) as server:
        yield server


@pytest.fixture
def client(emulator: EscEmulatorServer) -> EscClient:
    """For an environment that exists and is empty."""
    access = EscAccess(emulator.url, SecretText(TOKEN), VARIABLE)
    made = EscClient(access, EnvironmentName("sophia", "platform", "test"))
    made.create()
    return made
