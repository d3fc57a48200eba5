"""What goes wrong: rules that hit a counted number of requests, and rates that hit by seeded chance."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["KINDS", "Fault", "Faults", "InvalidFault"]

KINDS: Mapping[str, str] = {
    "rate_limited": "429 with Retry-After, nothing worked",
    "internal_error": "500, nothing worked",
    "unavailable": "503 with Retry-After, nothing worked",
    "bad_request": "400, nothing worked",
    "cut_before": "the connection is cut before any work",
    "cut_after": "the work is done, and the connection is cut before the first byte of the answer",
    "cut_midway": "the connection is cut after `after_tokens` tokens of a stream, or half of a plain answer",
    "malformed": "200 with a body, or a chunk of the stream, that is not JSON",
    "hold": "stops after `after_tokens` tokens of a stream, or before a plain answer, until it is released",
    "slow": "`delay_s` more seconds before the first token",
    "error_event": "the stream ends with an error event after `after_tokens` tokens; 500 for a plain answer",
}
"""Kind -> what it does."""


class InvalidFault(ValueError):
    """A rule that cannot be meant; the message says what is allowed."""


@dataclass(slots=True)
class Fault:
    """One rule.

    Attributes:
        kind: one of `KINDS`.
        times: requests that it still hits; None has no end.
        containing: hits only requests with this text in their prompt; "" hits all.
        retry_after_s: header of 429 and 503; None sends none.
        delay_s: for `slow`, virtual seconds.
        after_tokens: for `cut_midway`, `malformed`, `error_event` and `hold`.
        hits: requests that it has hit.
    """

    kind: str
    times: int | None = 1
    containing: str = ""
    retry_after_s: float | None = 1.0
    delay_s: float = 1.0
    after_tokens: int = 2
    hits: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidFault(f"fault kind {self.kind!r} is not known; allowed are {', '.join(KINDS)}")
        if self.times is not None and self.times < 1:
            raise InvalidFault(f"times is {self.times}; it is a whole number from 1, or null for no end")
        if self.delay_s < 0 or self.after_tokens < 0 or (self.retry_after_s or 0) < 0:
            raise InvalidFault("delay_s, after_tokens and retry_after_s must not be below 0")


class Faults:
    """Rules first, oldest first, one for each request; then chance."""

    def __init__(self, rates: Mapping[str, float], *, seed: int, retry_after_s: float | None) -> None:
        self.rules: list[Fault] = []
        self._rates = dict(rates)
        self._retry_after_s = retry_after_s
        self._random = random.Random(seed)  # noqa: S311 - faults that can be repeated, no secret

    def add(self, fault: Fault) -> Fault:
        self.rules.append(fault)
        return fault

    def clear(self) -> None:
        """No rules and no chance from now on."""
        self.rules.clear()
        self._rates.clear()

    def draw(self, prompt: str) -> Fault | None:
        """The fault of this request. Draws one number for each request while there are rates."""
        for rule in self.rules:
            if (rule.times is None or rule.hits < rule.times) and rule.containing in prompt:
                rule.hits += 1
                return rule
        if not self._rates:
            return None
        drawn = self._random.random()
        for kind, rate in self._rates.items():
            if drawn < rate:
                return Fault(kind, None, retry_after_s=self._retry_after_s)
            drawn -= rate
        return None
