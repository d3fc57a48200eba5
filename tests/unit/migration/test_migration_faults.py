"""A journal on a disk that fails at any line, a clock that jumps: each step is done once, in its order."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.migration.errors import JournalUnusable
from sophia_infra.migration.journal import Journal
from tests.faults.trials import DISK_FAULTS, TRIALS, RecordProperty, disk_error
from tests.unit.migration.ground import NOW, PHASE, World, run

LINES = 1 + 3 * len(PHASE.steps)
DAYS = timedelta(days=2)
ONCE_EACH = {"a": 1, "b": 1, "c": 1}


@pytest.mark.parametrize("fault", DISK_FAULTS)
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_line_that_the_disk_does_not_take_stops_before_what_it_announces(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: RecordProperty,
    fault: str,
    call: str,
) -> None:
    """The next run, with room on the disk, ends where an undisturbed one does."""
    real: Callable[..., int] = getattr(os, call)
    for at in range(LINES):
        journal, world, done = Journal(tmp_path / str(at), now=lambda: NOW), World(), 0

        def failing(*arguments: Any, at: int = at) -> int:
            nonlocal done
            if done == at:
                raise disk_error(fault)
            done += 1
            return real(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(os, call, failing)
            with pytest.raises(JournalUnusable):
                run(journal, world)
        begun = sum(record.attempts for record in journal.progress().steps.values())
        assert sum(command.startswith("act") for command in world.calls) <= begun
        run(journal, world)
        assert all(journal.progress().is_done(name) for name in "abc")
        assert world.launched == ONCE_EACH, at
    record_property(TRIALS, LINES)


@pytest.mark.parametrize("jump", [DAYS, -DAYS], ids=["forward", "back"])
def test_a_clock_that_jumps_at_any_line_repeats_and_skips_no_step(
    tmp_path: Path, record_property: RecordProperty, jump: timedelta
) -> None:
    for at in range(LINES):
        journal, world = JumpingJournal(tmp_path / str(at), at, jump), World()
        run(journal, world)
        assert world.launched == ONCE_EACH
        before = len(world.calls)
        assert run(Journal(journal.folder, now=lambda: NOW), world) == 0
        assert world.calls[before:] == []
    record_property(TRIALS, LINES)


class JumpingJournal(Journal):
    """Its clock jumps at its nth line."""

    def __init__(self, folder: Path, at: int, jump: timedelta) -> None:
        super().__init__(folder, now=self._read_clock)
        self._at, self._jump, self._lines = at, jump, 0

    def append(self, event: str, **fields: Any) -> None:
        self._lines += 1
        super().append(event, **fields)

    def _read_clock(self) -> Any:
        return NOW + (self._jump if self._lines > self._at else timedelta())
