"""When the account is asked, and how long an answer may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sophia_infra.lambda_cloud import RetryPlan

__all__ = ["ASKED_AT_MOST_S", "REFUSED_POLL_S", "SIDE_POLL_S", "Timing"]

SIDE_POLL_S: Final = 300.0
"""Seconds between two lists of types (prices, capacity) and of filesystems, whose sizes are hours old."""

REFUSED_POLL_S: Final = 60.0
"""Seconds until the next list after key or account were refused: a person has to act, and to ask more often
helps nobody. The first list that is answered ends it."""

ASKED_AT_MOST_S: Final = 300.0
"""A longer Retry-After is not obeyed: dollars would be unknown for so long."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One list takes four fifths of the interval at most, so that it is over before the next is due.

    Attributes:
        poll_s: seconds between two lists.
    """

    poll_s: float

    @property
    def timeout_connect_s(self) -> float:
        """Real seconds, as every socket timeout."""
        return self.poll_s / 5

    @property
    def timeout_read_s(self) -> float:
        """Real seconds between two pieces of an answer."""
        return self.poll_s * 2 / 5

    @property
    def retry_plan(self) -> RetryPlan:
        """Up to three attempts, none of which begins after a fifth of the interval."""
        return RetryPlan(base_s=1.0, cap_s=self.patience_s, deadline_s=self.patience_s, attempts_max=3)

    @property
    def patience_s(self) -> float:
        """Seconds after which a list counts as slow: a side list does not follow it then."""
        return self.poll_s / 5
