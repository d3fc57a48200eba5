"""What a check found: a value, a verdict, and where anybody can look again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from sophia_infra.reports.figures import Figure

__all__ = ["Measured", "Verdict", "judge", "not_known", "of_figure"]

Verdict = Literal["pass", "fail", "unknown", "not measured"]
"""unknown: a source is missing, or the part is switched off. not measured: no stack can show it, its label
and tests say what is known."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Measured:
    """One finding.

    Attributes:
        value: as a person reads it; for `unknown` the reason.
        evidence: a command, a file or a query that shows the same.
    """

    value: str
    verdict: Verdict
    evidence: str


def judge(holds: bool, value: str, evidence: str) -> Measured:
    """Pass or fail."""
    return Measured(value, "pass" if holds else "fail", evidence)


def not_known(reason: str, evidence: str) -> Measured:
    """Nothing was measured, and why."""
    return Measured(reason, "unknown", evidence)


def of_figure(figure: Figure[T], evidence: str, read: Callable[[T], tuple[bool, str]]) -> Measured:
    """Judge a figure by `read`, which says whether it holds and how it reads; unknown stays unknown."""
    if figure.value is None:
        return not_known(figure.missing, evidence or figure.source)
    holds, value = read(figure.value)
    return judge(holds, value, evidence or figure.source)
