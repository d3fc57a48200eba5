"""Calls through real processes while the backends fail: nothing lost, nothing twice, one sum everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.effort import FULL
from tests.load.books import found
from tests.load.scenarios import load_with_faults
from tests.load.streams import hold_streams
from tests.summary import SUMMARY_LINE

Record = Callable[[str, object], None]

_REQUESTS = 3_000 if FULL else 1_000
_STREAMS = 2_000
_GROWTH_MIB = 25.0


def test_nothing_is_lost_or_done_twice_while_backends_fail(tmp_path: Path, record_property: Record) -> None:
    measured = load_with_faults(tmp_path, _REQUESTS)

    assert measured.wrong == []
    assert len(measured.told) == _REQUESTS
    assert found(measured.lines, "connection lost") == 0
    # Three tries hide what fails, but for a stream that breaks after it began.
    assert found(measured.lines, "answered whole") > _REQUESTS * 0.97
    assert found(measured.lines, "tries of ledger entries") > _REQUESTS * 1.01
    assert found(measured.lines, "from the cache") > 0
    settled = measured.memory_mib[len(measured.memory_mib) // 3]
    assert measured.memory_mib[-1] - settled < _GROWTH_MIB
    record_property(SUMMARY_LINE, f"load: {_REQUESTS} calls, 0 lost, 0 double, {measured.took_s:.0f} s")


def test_two_thousand_streams_are_open_at_once(tmp_path: Path, record_property: Record) -> None:
    streams = hold_streams(tmp_path, _STREAMS)

    assert [line for line in streams.lines if not line.is_right] == []
    assert all(told.is_whole for told in streams.told)
    assert streams.open_at_once == _STREAMS
    record_property(SUMMARY_LINE, f"load: {streams.open_at_once} streams open at once")
