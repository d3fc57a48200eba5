"""One recommendation: what it is about, rests on and saves, how risky it is, and how it is undone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any, Final, Literal

from sophia_infra.optimization.stack_change import StackChange

__all__ = [
    "RISKS",
    "Action",
    "Evidence",
    "Kind",
    "Recommendation",
    "Risk",
    "Saving",
    "Verdict",
    "recommendation_id",
]

Risk = Literal["low", "medium", "high"]
RISKS: Final[tuple[Risk, ...]] = ("low", "medium", "high")
_CENT: Final = Decimal("0.01")


class Kind(StrEnum):
    """What is advised."""

    IDLE = "idle"
    SCHEDULE = "schedule"
    RIGHTSIZE = "rightsize"
    CONSOLIDATE = "consolidate"
    SERVERLESS = "serverless"
    OWN_GPU = "own-gpu"
    ORPHAN = "orphan"
    UNTAGGED = "untagged"
    FILESYSTEM = "filesystem"
    BUDGET = "budget"
    PRICE = "price"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One number: what it is, where it is from, and how old it is (None: it does not age)."""

    what: str
    value: str
    source: str
    age_s: float | None = None

    def as_json(self) -> dict[str, Any]:
        return {"what": self.what, "value": self.value, "source": self.source, "age_s": self.age_s}


@dataclass(frozen=True, slots=True)
class Saving:
    """Dollars a month: 0 <= low <= expected <= high. ValueError otherwise."""

    low: Decimal
    expected: Decimal
    high: Decimal

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.expected <= self.high:
            raise ValueError(f"no interval of savings: {self.low}, {self.expected}, {self.high}")

    @classmethod
    def of(cls, low: Decimal, expected: Decimal, high: Decimal) -> Saving:
        """To the cent, put in order, nothing below 0."""
        found = [
            max(Decimal(0), one).quantize(_CENT, rounding=ROUND_HALF_UP) for one in (low, expected, high)
        ]
        return cls(min(found[0], found[1]), found[1], max(found[1], found[2]))

    @classmethod
    def exactly(cls, usd: Decimal) -> Saving:
        return cls.of(usd, usd, usd)

    def __add__(self, other: Saving) -> Saving:
        return Saving(self.low + other.low, self.expected + other.expected, self.high + other.high)

    def largest(self, other: Saving) -> Saving:
        """The larger of each."""
        return Saving(
            max(self.low, other.low), max(self.expected, other.expected), max(self.high, other.high)
        )

    def at_most(self, usd: Decimal) -> Saving:
        return Saving(min(self.low, usd), min(self.expected, usd), min(self.high, usd))

    def as_json(self) -> dict[str, str]:
        return {
            "low_usd_per_month": str(self.low),
            "expected_usd_per_month": str(self.expected),
            "high_usd_per_month": str(self.high),
        }


NOTHING: Final = Saving(Decimal(0), Decimal(0), Decimal(0))


@dataclass(frozen=True, slots=True)
class Verdict:
    """The risk, and the rules that made it so."""

    risk: Risk
    reasons: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {"level": self.risk, "reasons": list(self.reasons)}


@dataclass(frozen=True, slots=True)
class Action:
    """What a program may do by itself: end one machine, or delete one filesystem."""

    what: Literal["end machine", "delete filesystem"]
    target_id: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One advice.

    Attributes:
        id: the same on every run as long as it is about the same things.
        subject: name of the machine or filesystem, or of the stack.
        savings: what it is about (`machine:<id>`, `filesystem:<id>`) -> dollars a month.
        keeps: machines that have to stay as they are for it to hold.
        steps: what is done, one after the other.
        undo: how it is undone; "" when it cannot be.
        requires: what has to hold or be done first.
        change: of the stack file; None when there is none to be made by a program.
        action: what may be done without the file; None for almost everything.
    """

    id: str
    kind: Kind
    subject: str
    title: str
    savings: Mapping[str, Saving]
    evidence: tuple[Evidence, ...]
    verdict: Verdict
    steps: tuple[str, ...]
    undo: str
    requires: tuple[str, ...] = ()
    keeps: frozenset[str] = frozenset()
    change: StackChange | None = None
    action: Action | None = field(default=None)

    @property
    def saving(self) -> Saving:
        """Of everything that it is about."""
        total = NOTHING
        for one in self.savings.values():
            total += one
        return total

    @property
    def risk(self) -> Risk:
        return self.verdict.risk

    @property
    def can_act(self) -> bool:
        """Whether a program may do it without asking: low risk, with an action and a way back."""
        return self.risk == "low" and self.action is not None and bool(self.undo)

    def as_json(self) -> dict[str, Any]:
        """Plain data; money as decimal text."""
        return {
            "id": self.id,
            "kind": self.kind.value,
            "subject": self.subject,
            "title": self.title,
            "saving": self.saving.as_json(),
            "savings": {key: one.as_json() for key, one in self.savings.items()},
            "evidence": [one.as_json() for one in self.evidence],
            "risk": self.verdict.as_json(),
            "steps": list(self.steps),
            "undo": self.undo,
            "requires": list(self.requires),
            "keeps": sorted(self.keeps),
            "applied_by": "itself"
            if self.can_act
            else "a change of the stack file"
            if self.change
            else "hand",
        }


def recommendation_id(kind: Kind, stack: str, *parts: str) -> str:
    """`idle-1a2b3c4d`: from what it is about, never from measured numbers, so that it stays the same."""
    text = "\n".join((kind.value, stack, *parts))
    return f"{kind.value}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
