"""A figure that says where it is from and how old it is, or why it is not known. Never 0 for unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

__all__ = ["Figure", "first_known", "known", "unknown", "utc_text"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Figure(Generic[T_co]):
    """One figure.

    Attributes:
        value: None when it is not known.
        source: where it is from, or where it was looked for.
        at_s: when it was so, seconds since 1970; None when it is not known.
        missing: why it is not known, a clause without a full stop; empty when it is.
    """

    value: T_co | None
    source: str
    at_s: float | None
    missing: str = ""

    @property
    def is_known(self) -> bool:
        return self.value is not None

    def as_json(self, write: Callable[[T_co], Any]) -> dict[str, Any]:
        """Plain data: `value`, `source`, `at` (ISO 8601, UTC), `missing`."""
        return {
            "value": None if self.value is None else write(self.value),
            "source": self.source,
            "at": None if self.at_s is None else utc_text(self.at_s),
            "missing": self.missing or None,
        }


def known(value: T, source: str, at_s: float) -> Figure[T]:
    """A figure with its source, as of `at_s`."""
    return Figure(value, source, at_s)


def first_known(figure: Figure[T], other: Figure[T]) -> Figure[T]:
    """`figure`, or `other` where only that is known."""
    return other if not figure.is_known and other.is_known else figure


def unknown(missing: str, source: str = "") -> Figure[Any]:
    """No figure, and why."""
    return Figure(None, source, None, missing)


def utc_text(at_s: float) -> str:
    """`2026-11-28T09:30:00Z`."""
    return datetime.fromtimestamp(int(at_s), UTC).isoformat().replace("+00:00", "Z")
