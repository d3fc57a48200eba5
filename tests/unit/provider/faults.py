"""One stack on one emulated account, and a fault that strikes at the nth moment of an update."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sophia_infra.provider.session import Session, Waits
from tests.faults.kinds import Fault, ProcessClock
from tests.faults.surroundings import Surroundings
from tests.unit.provider.simulated_engine import Engine, Failed, Killed, Resource
from tests.unit.provider.stage import KEY_NAME, PUBLIC_KEY

__all__ = ["World"]


class World(Surroundings):
    """An account, its stack, and the machine on which updates run."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, transitions="immediate")
        self.notes = folder / "launches"
        self.engine = Engine()
        self.failure: object = None

    def begin_stack(self, list_lag_s: float) -> None:
        """A new account, state, journal and clock."""
        self.begin(list_lag_s=list_lag_s)
        with self.emulator.cloud.lock:
            self.emulator.cloud.ssh_keys.add(KEY_NAME, PUBLIC_KEY)
        self.engine = Engine()
        for note in self.notes.glob("*"):
            note.unlink()

    def update(
        self, program: Sequence[Resource], fault: Fault | None = None, at: int = 0
    ) -> tuple[str, bool]:
        """One update in a new provider process: how it ended, and whether the fault struck."""
        means = self.means(self.notes, fault, at)
        session = Session(
            means.client, ProcessClock(self.clock), means.journal, waits=Waits(poll_s=10), say=lambda _: None
        )
        try:
            self.engine.update(program, session, means.whole)
            ended = "done"
        except Failed as failure:
            self.failure = failure
            ended = "failed"
        except Killed:
            ended = "killed"
        self.heal()
        return ended, means.strike.was_reached
