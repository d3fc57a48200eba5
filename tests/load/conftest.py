"""One gateway with two sound backends for the tests that only talk to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.load.stand import Stand


@pytest.fixture(scope="session")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    # Tests that make backends fail must not put them to rest for the next one.
    with Stand(tmp_path_factory.mktemp("stand"), routing={"breaker_failures": 1_000}) as started:
        yield started
