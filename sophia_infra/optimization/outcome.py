"""What became of one recommendation or action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Outcome", "OutcomeWord"]

OutcomeWord = Literal["would do", "done", "undone", "abandoned", "waits", "not allowed", "proposed", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one recommendation or action.

    Attributes:
        action_id: None where nothing was recorded.
        patch: the unified diff of a proposed change; None otherwise.
    """

    recommendation_id: str
    subject: str
    word: OutcomeWord
    detail: str
    action_id: str | None = None
    patch: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "recommendation": self.recommendation_id,
            "subject": self.subject,
            "outcome": self.word,
            "detail": self.detail,
            "action": self.action_id,
            "patch": self.patch,
        }
