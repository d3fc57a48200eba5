"""SIGKILL of the gateway under load: its answers stand in the ledger, and what was open becomes `unknown`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.effort import FULL
from tests.load.books import found
from tests.load.scenarios import load_with_kills
from tests.summary import SUMMARY_LINE

_KILLS = 20 if FULL else 6


def test_a_killed_gateway_loses_nothing_that_it_answered(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    measured = load_with_kills(tmp_path, _KILLS)

    assert measured.wrong == []
    assert found(measured.lines, "answered whole") > 0
    unknown = found(measured.lines, "unknown")
    assert unknown > 0  # or the kills met nothing under way
    calls = f"{len(measured.told)} calls, 0 lost, 0 double, {unknown} booked as unknown"
    record_property(SUMMARY_LINE, f"load: {_KILLS} SIGKILLs under {calls}")
