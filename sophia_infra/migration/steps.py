"""What a phase is made of: steps, each with the commands that guard it, do it, prove it and take it back."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

__all__ = ["Command", "PhaseName", "Step", "command"]

PhaseName = Literal["phase1", "phase2", "phase3", "complete"]


@dataclass(frozen=True, slots=True)
class Command:
    """One command line of `sophia`, and which of its exit codes count as success.

    Attributes:
        argv: arguments after `sophia`; `{stack}` and the like are filled in by `filled`.
        accept: exit codes that are a success; 6 belongs in it where findings are advice and no verdict.
    """

    argv: tuple[str, ...]
    accept: frozenset[int] = frozenset({0})

    def filled(self, values: Mapping[str, str]) -> Command:
        """The same with each `{name}` replaced by its value; what is then empty is left out."""
        words = (word.format_map(values) for word in self.argv)
        return Command(tuple(word for word in words if word), self.accept)

    def __str__(self) -> str:
        return f"sophia {shlex.join(self.argv)}"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a phase.

    Attributes:
        step_id: unique in the whole migration; it stays the same, since journals hold it.
        title: what it is for, as a person would say it.
        gate: must succeed before the action is begun; None: nothing guards it.
        action: None for a step that only asks.
        check: proves afterwards that the action did what it should.
        resume: how an interrupted step goes on. `check`: green says that the action was done and only its
            record is missing. `repeat`: the check would be green without this action too, so it runs again.
        undo: takes the action back; None with `no_undo` in words.
        no_undo: why nothing takes it back; empty where `undo` is there or the step only asks.
        criteria: ids of the checklist that it serves.
        days: first and last day of the plan's 42 to which it belongs.
    """

    step_id: str
    title: str
    days: tuple[int, int]
    gate: Command | None = None
    action: Command | None = None
    check: Command | None = None
    resume: Literal["check", "repeat"] = "check"
    undo: Command | None = None
    no_undo: str = ""
    criteria: tuple[str, ...] = ()

    def filled(self, values: Mapping[str, str]) -> Step:
        """The same with every command filled in."""
        changed: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("gate", "action", "check", "undo"):
            part = changed[name]
            changed[name] = None if part is None else part.filled(values)
        return Step(**changed)


def command(line: str, *, accept: tuple[int, ...] = (0,)) -> Command:
    """`backup verify latest --stack {stack}` as a Command."""
    return Command(tuple(shlex.split(line)), frozenset(accept))
