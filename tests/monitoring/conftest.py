"""One fast world for the tests of a file. Those files come first, so that others compute while they wait."""

from __future__ import annotations

from collections.abc import Iterator, MutableSequence

import pytest

from tests.monitoring.fast_world import FastWorld, fast_world


def pytest_collection_modifyitems(items: MutableSequence[pytest.Item]) -> None:
    items[:] = sorted(items, key=lambda item: "fast_world" not in item.path.name)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastWorld]:
    with fast_world(tmp_path_factory.mktemp("fast")) as world:
        # Prometheus spreads its first scrapes over its interval, which is a minute here.
        world.server.wait_until("the first alarms are over", lambda: not world.firing())
        world.stay(minutes=5)
        yield world
