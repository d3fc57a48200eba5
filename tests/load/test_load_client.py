"""The client of the load tests tells the truth: tried on a mock backend, whose log is known."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

from sophia_infra.inference.mock_backend import Fault, MockBackend, MockSettings
from tests.load.asks import LOAD, MODELS, SHARED, mixture
from tests.load.client import BROKEN, Told, run_load

_SETTINGS = MockSettings(models=MODELS)


def load(mock: MockBackend, count: int) -> list[Told]:
    return asyncio.run(run_load(mock.url, "any", itertools.islice(mixture(1), count), callers=4))


def test_every_call_is_sent_once_and_its_usage_read() -> None:
    with MockBackend(_SETTINGS) as mock:
        told, work = load(mock, 200), mock.work()
    assert all(answer.is_whole and answer.status == 200 for answer in told)
    assert Counter(answer.ask.load_id for answer in told) == Counter(
        entry.prompt_start.split(" ")[0] for entry in work
    )
    assert sum(answer.output_tokens for answer in told) == sum(entry.output_tokens for entry in work)
    assert sum(answer.input_tokens for answer in told) == sum(entry.input_tokens for entry in work)


def test_what_fails_is_told_apart() -> None:
    with MockBackend(_SETTINGS) as mock:
        for kind in ("unavailable", "cut_before", "cut_after"):
            mock.add_fault(Fault(kind, containing=LOAD))
        plain = [answer for answer in load(mock, 40) if not answer.is_whole]
    assert sorted(answer.status for answer in plain) == [0, 0, 503]


def test_a_stream_that_is_cut_or_ends_in_an_error_is_not_whole() -> None:
    streams = [ask for ask in itertools.islice(mixture(3), 100) if ask.is_stream][:4]
    with MockBackend(_SETTINGS) as mock:
        for kind in ("cut_midway", "error_event", "malformed"):
            mock.add_fault(Fault(kind))
        told = asyncio.run(run_load(mock.url, "any", iter(streams), callers=1))
    assert [(answer.status, answer.is_whole, answer.code) for answer in told] == [
        (200, False, ""),
        (200, False, "500"),
        (200, False, BROKEN),
        (200, True, ""),
    ]


def test_the_same_seed_asks_for_the_same() -> None:
    first, second = (list(itertools.islice(mixture(5), 300)) for _ in range(2))
    assert first == second
    assert len({ask.load_id for ask in first if ask.kind != "shared"}) == sum(
        a.kind != "shared" for a in first
    )
    shared = [ask for ask in first if ask.kind == "shared"]
    assert all(ask.load_id.startswith(SHARED) for ask in shared)
    assert len({ask.body for ask in shared}) == len({ask.load_id for ask in shared}) < len(shared)
