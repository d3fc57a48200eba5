"""All recommendations of one look, with what fits together. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sophia_infra.optimization.errors import RecommendationMissing
from sophia_infra.optimization.recommendation import Recommendation, Saving

__all__ = ["Advice"]


@dataclass(frozen=True, slots=True)
class Advice:
    """All recommendations of one look.

    Attributes:
        chosen: a set that fits together; its saving counts each thing once.
        excluded: what does not fit with it, and which one stands against it.
        usd_per_month: what the stack costs now.
        notes: what could not be judged, and why.
    """

    chosen: tuple[Recommendation, ...]
    excluded: tuple[tuple[Recommendation, Recommendation], ...]
    saving: Saving
    usd_per_month: Decimal
    notes: tuple[str, ...]

    @property
    def all(self) -> tuple[Recommendation, ...]:
        return (*self.chosen, *(one for one, _ in self.excluded))

    def find(self, recommendation_id: str) -> Recommendation:
        """Raises RecommendationMissing."""
        for one in self.all:
            if one.id == recommendation_id:
                return one
        raise RecommendationMissing(
            f"No recommendation {recommendation_id} is true now.", next_step="`sophia optimize` lists them."
        )

    def as_json(self) -> dict[str, Any]:
        """Plain data; money as decimal text."""
        return {
            "recommendations": [one.as_json() for one in self.chosen],
            "excluded": [{**one.as_json(), "excluded_by": other.id} for one, other in self.excluded],
            "saving": self.saving.as_json(),
            "usd_per_month": str(self.usd_per_month),
            "notes": list(self.notes),
        }
