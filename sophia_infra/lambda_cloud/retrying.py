"""How long to wait before the next attempt, and when to stop. Whether to repeat at all: `transport.py`."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["RetryPlan"]


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """Full jitter: before attempt n + 1, a random part of min(`cap_s`, `base_s` * 2 ** (n - 1)).

    Retry-After is a floor under that, never ignored. The mean waits of the default plan are
    0.5, 1, 2, 4, 8, 10 and 10 s.
    """

    base_s: float = 1.0
    """Seconds, the most that the first wait can be: Lambda's limit is one request per second."""

    cap_s: float = 20.0
    """Seconds, the most that any wait can be unless Retry-After asks for more."""

    deadline_s: float = 120.0
    """Seconds after which no attempt begins, counted from the first one; waits for a slot do not count.

    An attempt under way is ended by its timeouts. A wait that would pass the deadline is not begun: the
    error is raised at once, with `retry_after_s`."""

    attempts_max: int = 8
    """Requests in all; the deadline usually comes first. At least 1."""

    def __post_init__(self) -> None:
        if min(self.base_s, self.cap_s, self.deadline_s) < 0 or self.attempts_max < 1:
            raise ValueError(f"no wait may be negative and one attempt is the least: {self}")

    def delay_s(
        self, attempts: int, retry_after_s: float | None, random_part: Callable[[], float] = random.random
    ) -> float:
        """Seconds to wait after `attempts` (1 or more) failed ones. `random_part` gives 0 to 1."""
        # 2 ** 30 is far above any cap; without the bound a long run would overflow.
        ceiling_s = min(self.cap_s, self.base_s * 2.0 ** min(attempts - 1, 30))
        return max(retry_after_s or 0.0, ceiling_s * random_part())
