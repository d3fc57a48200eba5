"""A migration whose commands are functions of this process, and a world that counts what they did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sophia_infra.migration.children import Ended
from sophia_infra.migration.journal import Journal
from sophia_infra.migration.runner import PhasePlan, Runner
from sophia_infra.migration.steps import Command, Step, command

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the runner runs after it."""


class MortalJournal(Journal):
    """Dies before or after its nth line from now; never for None."""

    die_at: tuple[int, str] | None = None

    def append(self, event: str, **fields: Any) -> None:
        if self.die_at is None:
            super().append(event, **fields)
            return
        left, moment = self.die_at
        if left == 0 and moment == "before":
            raise Killed
        super().append(event, **fields)
        if left == 0:
            raise Killed
        self.die_at = (left - 1, moment)


@dataclass
class World:
    """What commands did.

    Attributes:
        calls: command lines in order.
        launched: name -> how often something was launched by that name.
        codes: command line -> exit code; 0 for what is not in it.
        die_in: command line -> `before` or `after` its effect, once.
    """

    calls: list[str] = field(default_factory=list)
    there: set[str] = field(default_factory=set)
    launched: Counter[str] = field(default_factory=Counter)
    codes: dict[str, int] = field(default_factory=dict)
    die_in: dict[str, str] = field(default_factory=dict)
    stop_in: set[str] = field(default_factory=set)

    def start(
        self,
        argv: Sequence[str],
        log_file: Path,
        *,
        environment: object,
        on_start: Callable[[tuple[int, int]], None],
        on_output: Callable[[str], None],
    ) -> Ended:
        line = " ".join(argv)
        self.calls.append(line)
        on_start((1, 0))
        log_file.write_text(line)
        moment = self.die_in.pop(line, None)
        if moment == "before":
            raise Killed
        code = self.codes.get(line, 0) or self._effect(*argv)
        if moment == "after":
            raise Killed
        return Ended(code, 0.0, line in self.stop_in)

    def _effect(self, part: str, name: str) -> int:
        if part == "act" and name not in self.there:
            self.there.add(name)
            self.launched[name] += 1
        elif part == "undo":
            self.there.discard(name)
        elif part == "check":
            return 0 if name in self.there else 6
        return 0


class Silent:
    """A view that shows nothing."""

    def step(self, step: Step, number: int, total: int) -> None:
        pass

    def runs(self, part: str, command: Command) -> None:
        pass

    def output(self, line: str) -> None:
        pass

    def ended(self, how: str, duration_s: float) -> None:
        pass


def step(name: str, *, undo: bool = True) -> Step:
    return Step(
        name,
        f"Title of {name}",
        (1, 1),
        gate=command(f"gate {name}"),
        action=command(f"act {name}"),
        check=command(f"check {name}"),
        undo=command(f"undo {name}") if undo else None,
        no_undo="" if undo else "it cannot be",
    )


PHASE = PhasePlan("phase1", (step("a"), step("b"), step("c", undo=False)))


def run(journal: Journal, world: World, *, again: bool = False, phase: PhasePlan = PHASE) -> int:
    with journal.held():
        runner = Runner(journal, Silent(), environment={}, program=(), start=world.start)
        return runner.run([phase], again=again)


def undo(journal: Journal, world: World, to: str, *, phase: PhasePlan = PHASE) -> int:
    with journal.held():
        runner = Runner(journal, Silent(), environment={}, program=(), start=world.start)
        return runner.undo(phase, to)
