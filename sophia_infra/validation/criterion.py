"""One criterion of the plan, and what may be said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["EVERY_PHASE", "Criterion", "Label"]

Label = Literal["proved", "mechanism proved", "not provable here"]
"""proved: a test shows it. mechanism proved: shown with something of ours in the place of a cloud, a GPU or a
builder. not provable here: no test of this project can show it."""

EVERY_PHASE = 0


@dataclass(frozen=True, slots=True)
class Criterion:
    """A promise of the plan, corrected where the plan is impossible.

    Attributes:
        id: of the checklist: `1.3b`, `M2.1`, `$5`.
        section: where in the plan it stands.
        phase: 1 to 3, or EVERY_PHASE for what has to hold in all of them.
        target: the number or the state that is promised.
        reason: why it is not proved outright; empty only for `proved`.
        tests: `tests/<file>` or `tests/<file>::<name>`: what proves it, its mechanism, or that the plan's
            figure does not hold.
        check: name of the check that measures a stack, with its argument; empty when no stack can show it.
        gates: whether a failure stops the next phase. False for figures of the plan that arithmetic refutes:
            nobody can make them true, so they are shown and stop nothing.
    """

    id: str
    section: str
    phase: int
    text: str
    target: str
    label: Label
    reason: str = ""
    tests: tuple[str, ...] = ()
    check: str = ""
    gates: bool = True

    def as_json(self) -> dict[str, Any]:
        """Plain data; `phase` is null for what holds in every phase."""
        return {
            "id": self.id,
            "section": self.section,
            "phase": self.phase or None,
            "text": self.text,
            "target": self.target,
            "label": self.label,
            "reason": self.reason or None,
            "tests": list(self.tests),
            "gates": self.gates,
        }
