"""A real emulator on loopback for each test; a start costs about 5 ms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from sophia_infra.emulator import EmulatorServer
from tests.emulator.emulator_client import Api, strict_settings

MakeApi = Callable[..., Api]


@pytest.fixture
def make_api() -> Iterator[MakeApi]:
    """Start an emulator with changed settings."""
    with ExitStack() as stack:

        def make(**changes: Any) -> Api:
            api = Api(stack.enter_context(EmulatorServer(strict_settings(**changes))))
            stack.callback(api.session.close)
            return api

        yield make


@pytest.fixture
def api(make_api: MakeApi) -> Api:
    return make_api()
