"""A real server without a model, for the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sophia_infra.inference.mock_backend.server import MockBackend
from sophia_infra.inference.mock_backend.settings import MockSettings
from tests.unit.inference.core.fakes import SCOUT


@pytest.fixture
def mock() -> Iterator[MockBackend]:
    with MockBackend(MockSettings(models=(SCOUT,), context_tokens=5_000)) as backend:
        yield backend
