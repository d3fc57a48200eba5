"""A rest for a backend that fails: after so many failures in a row nobody is sent there for a while."""

from __future__ import annotations

from typing import Literal

from sophia_infra.inference.clock import Clock

__all__ = ["BreakerState", "CircuitBreaker"]

BreakerState = Literal["closed", "open", "half-open"]


class CircuitBreaker:
    """Closed (calls pass), open (none does), half-open (one does, and decides).

    Each `acquire` that returned True is followed by exactly one of `succeeded`, `failed` and `abandoned`.

    Args:
        failures: failures in a row that open it.
        rest_s: seconds that it stays open.
    """

    def __init__(self, failures: int, rest_s: float, clock: Clock) -> None:
        self._limit = failures
        self._rest_s = rest_s
        self._clock = clock
        self._in_a_row = 0
        self._opened_at_s: float | None = None
        self._probing = False

    @property
    def state(self) -> BreakerState:
        if self._opened_at_s is None:
            return "closed"
        rested = self._clock.monotonic() - self._opened_at_s >= self._rest_s
        return "half-open" if rested else "open"

    def allows(self) -> bool:
        """Whether `acquire` would let a call pass now. Changes nothing."""
        state = self.state
        return state == "closed" or (state == "half-open" and not self._probing)

    def acquire(self) -> bool:
        """Let a call pass, or False. In half-open this call is the probe; until it ends no other passes."""
        if not self.allows():
            return False
        if self._opened_at_s is not None:
            self._probing = True
        return True

    def succeeded(self) -> None:
        """A call was answered: closed."""
        self._in_a_row = 0
        self._opened_at_s = None
        self._probing = False

    def failed(self) -> None:
        """A call failed: one more in a row; a failed probe opens it for another rest."""
        self._in_a_row += 1
        if self._opened_at_s is not None:
            if self._probing:
                self._opened_at_s = self._clock.monotonic()
            self._probing = False
        elif self._in_a_row >= self._limit:
            self._opened_at_s = self._clock.monotonic()

    def abandoned(self) -> None:
        """A call ended without saying anything about the backend: its caller went away, or it was refused."""
        self._probing = False

    def retry_after_s(self) -> float:
        """Seconds until a call may pass; 0 when one may now."""
        if self._opened_at_s is None:
            return 0.0
        return max(0.0, self._opened_at_s + self._rest_s - self._clock.monotonic())
