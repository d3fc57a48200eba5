"""The criteria of one stack with what was measured, and whether the gate is open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sophia_infra.reports.figures import utc_text
from sophia_infra.validation.checks import CHECKS
from sophia_infra.validation.criterion import Criterion
from sophia_infra.validation.measured import Measured, Verdict
from sophia_infra.validation.world import World

__all__ = ["Report", "Row", "validate"]

NO_STACK_SHOWS_IT = "no stack can show it; the label says what is known"


@dataclass(frozen=True, slots=True)
class Row:
    """One criterion and what was found."""

    criterion: Criterion
    measured: Measured

    @property
    def verdict(self) -> Verdict:
        return self.measured.verdict

    def as_json(self) -> dict[str, Any]:
        """Plain data: the criterion, with verdict, value and evidence."""
        return {
            **self.criterion.as_json(),
            "verdict": self.verdict,
            "value": self.measured.value,
            "evidence": self.measured.evidence,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All rows of one look.

    Attributes:
        gate: the phase that was asked for; None: everything, or single criteria.
        strict: whether what is unknown closes the gate too.
        trouble: sources of the stack that did not answer.
    """

    stack: str
    phase: int
    gate: int | None
    strict: bool
    taken_at_s: float
    rows: tuple[Row, ...]
    trouble: tuple[str, ...] = ()

    def count(self, verdict: Verdict) -> int:
        """How many rows have it."""
        return sum(row.verdict == verdict for row in self.rows)

    @property
    def failed(self) -> tuple[Row, ...]:
        """What closes the gate."""
        closing = ("fail", "unknown") if self.strict else ("fail",)
        return tuple(row for row in self.rows if row.criterion.gates and row.verdict in closing)

    @property
    def refuted(self) -> tuple[Row, ...]:
        """Figures of the plan that do not hold and close nothing."""
        return tuple(row for row in self.rows if not row.criterion.gates and row.verdict == "fail")

    @property
    def is_green(self) -> bool:
        """Whether the next phase may start. A source that is there and silent is no reason to say yes."""
        return not self.failed and not self.trouble

    def as_json(self) -> dict[str, Any]:
        """The document of `sophia validate --json`, described in docs/validation.md."""
        return {
            "stack": self.stack,
            "phase": self.phase,
            "gate": self.gate,
            "strict": self.strict,
            "taken_at": utc_text(self.taken_at_s),
            "green": self.is_green,
            "counts": {
                verdict: self.count(verdict) for verdict in ("pass", "fail", "unknown", "not measured")
            },
            "failed": [row.criterion.id for row in self.failed],
            "refuted": [row.criterion.id for row in self.refuted],
            "trouble": list(self.trouble),
            "criteria": [row.as_json() for row in self.rows],
        }


def validate(
    world: World,
    criteria: Iterable[Criterion],
    *,
    gate: int | None = None,
    strict: bool = False,
    early: bool = False,
) -> Report:
    """Measure each criterion in `world`.

    Args:
        gate: the phase whose criteria these are.
        early: measure also what belongs to a later phase than the stack's; else that is unknown: not due.
    """
    rows = tuple(Row(one, _measure(world, one, early=early)) for one in criteria)
    return Report(world.name, world.phase, gate, strict, world.taken_at_s, rows, world.trouble)


def _measure(world: World, one: Criterion, *, early: bool) -> Measured:
    if not one.check:
        evidence = one.tests[0] if one.tests else one.reason
        return Measured(NO_STACK_SHOWS_IT, "not measured", evidence)
    if one.phase > world.phase and not early:
        return Measured(
            f"not due: it comes with phase {one.phase}, and the stack is in phase {world.phase}",
            "unknown",
            world.command(f"validate --criterion {one.id}"),
        )
    name, _, argument = one.check.partition(" ")
    return CHECKS[name](world, argument)
