"""Killed at any moment and any number of times, a migration ends where an undisturbed one does."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.migration.ground import NOW, PHASE, Killed, MortalJournal, World, run

LINES = 1 + 3 * len(PHASE.steps)
"""Of an undisturbed run: the phase, then begun, child and done of each step."""

AT_LINE = st.tuples(st.integers(0, LINES - 1), st.sampled_from(["before", "after"]))
IN_COMMAND = st.tuples(
    st.sampled_from([f"{part} {name}" for name in "abc" for part in ("gate", "act", "check")]),
    st.sampled_from(["before", "after"]),
)


def run_through(folder: Path, deaths: list[tuple[int | str, str]]) -> World:
    """Run, die, run again, until it ends; a `done` step is never touched again."""
    world = World()
    for death in [*deaths, None]:
        journal = MortalJournal(folder, now=lambda: NOW)
        done = [name for name in "abc" if journal.progress().is_done(name)]
        before = len(world.calls)
        world.die_in.clear()
        if death is not None:
            where, moment = death
            if isinstance(where, int):
                journal.die_at = (where, moment)
            else:
                world.die_in[where] = moment
        try:
            run(journal, world)
        except Killed:
            pass
        else:
            assert all(journal.progress().is_done(name) for name in "abc")
        assert not [call for call in world.calls[before:] if call.split()[1] in done]
    return world


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("line", range(LINES))
def test_killed_at_every_line_of_the_journal_the_end_is_the_same(
    tmp_path: Path, line: int, moment: str
) -> None:
    world = run_through(tmp_path / "local", [(line, moment)])
    assert world.there == {"a", "b", "c"}
    assert world.launched == {"a": 1, "b": 1, "c": 1}
    # Once begun and found done by its check, an action is not repeated at all.
    assert sum(call.startswith("act") for call in world.calls) == 3 + int(_was_cut_before_its_effect(line))


def _was_cut_before_its_effect(line: int) -> bool:
    """A kill at `child` comes when the command was started and has had no effect yet."""
    return line > 0 and (line - 1) % 3 == 1


@given(deaths=st.lists(AT_LINE | IN_COMMAND, max_size=6))
def test_any_series_of_kills_launches_everything_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, deaths: list[tuple[int | str, str]]
) -> None:
    world = run_through(tmp_path_factory.mktemp("home") / "local", deaths)
    assert world.there == {"a", "b", "c"}
    assert world.launched == {"a": 1, "b": 1, "c": 1}
    assert sum(call.startswith("act") for call in world.calls) <= 3 + len(deaths)
