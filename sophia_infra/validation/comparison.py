"""Two looks at one stack side by side, with what the plan promised of the difference."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from sophia_infra.validation.baseline import Baseline, BaselineValue
from sophia_infra.validation.figures import FIGURES, CompareFigure

__all__ = ["Comparison", "ComparisonRow", "compare"]

UNKNOWN = "unknown"
_NEVER = BaselineValue(None, "", "it was not captured")


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One figure as text. `reached` is `yes`, `no`, `unknown`, or `-` where there is no target."""

    id: str
    name: str
    before: str
    now: str
    change: str
    target: str
    reached: str
    missing: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """All figures of two looks."""

    stack: str
    before_at: str
    now_at: str
    rows: tuple[ComparisonRow, ...]

    def as_json(self) -> dict[str, Any]:
        """The document of `sophia baseline compare --json`."""
        return {
            "stack": self.stack,
            "before_at": self.before_at,
            "now_at": self.now_at,
            "rows": [asdict(row) for row in self.rows],
        }


def compare(before: Baseline, now: Baseline) -> Comparison:
    """Every figure of the program, in its order; one that either look lacks is unknown."""
    rows = tuple(
        _row(figure, before.values.get(figure.key, _NEVER), now.values.get(figure.key, _NEVER))
        for figure in FIGURES
    )
    return Comparison(now.stack, before.taken_at, now.taken_at, rows)


def _row(figure: CompareFigure, before: BaselineValue, now: BaselineValue) -> ComparisonRow:
    return ComparisonRow(
        id=figure.id,
        name=figure.name,
        before=_text(before.value, figure.unit),
        now=_text(now.value, figure.unit),
        change=_change(before.value, now.value),
        target=figure.plan or "-",
        reached=_reached(figure, now.value),
        missing=now.missing or before.missing,
    )


def _text(value: Decimal | None, unit: str) -> str:
    if value is None:
        return UNKNOWN
    if unit == "$":
        return f"${value:,.2f}"
    return f"{value:,f} {unit}".rstrip()


def _change(before: Decimal | None, now: Decimal | None) -> str:
    if before is None or now is None:
        return UNKNOWN
    if before == 0:
        return "none" if now == 0 else f"{now:+,f}"
    return f"{100 * (now - before) / before:+.1f} %"


def _reached(figure: CompareFigure, now: Decimal | None) -> str:
    if figure.target is None:
        return "-"
    if now is None:
        return UNKNOWN
    return "yes" if (now <= figure.target if figure.less_is_better else now >= figure.target) else "no"
