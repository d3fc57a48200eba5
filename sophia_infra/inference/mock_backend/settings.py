"""What one mock backend serves, how fast, and what goes wrong by chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["BadMockSettings", "MockSettings"]


class BadMockSettings(ValueError):
    """A setting that cannot be meant. The caller's fault; the message names it and says what is allowed."""


@dataclass(frozen=True, slots=True)
class MockSettings:
    """Knobs of one backend. The defaults answer at once and never fail.

    Attributes:
        models: names that it serves, as a client writes them; at least one.
        seed: of the answers and of the random faults. Same seed, same prompt: same answer.
        context_tokens: input plus output of one request at most.
        answer_tokens: an answer without limit has this many tokens at least, and less than twice as many.
        first_token_s: seconds before the first token.
        token_s: seconds before each further token.
        cold_start_s: seconds after the start in which the model loads.
        while_loading: requests meanwhile are answered with 503 ("refuse") or held ("wait").
        warm_up_s: seconds that the first request after loading takes longer: kernels compile then.
        running: requests worked at once; more wait, as vLLM's `--max-num-seqs` has it.
        cache_tokens: size of the key-value cache, for its gauge only.
        fault_rates: kind of fault -> share of the requests that it hits, 0 to 1 together.
        fault_retry_after_s: Retry-After of 429 and 503; None sends none.
        speed: virtual seconds for each real one; every duration above is virtual.
        log_entries: work entries kept; older ones are dropped and counted.
    """

    models: tuple[str, ...] = ("mock-model",)
    seed: int = 0
    context_tokens: int = 1_000_000
    answer_tokens: int = 8
    first_token_s: float = 0.0
    token_s: float = 0.0
    cold_start_s: float = 0.0
    while_loading: Literal["refuse", "wait"] = "refuse"
    warm_up_s: float = 0.0
    running: int = 256
    cache_tokens: int = 1_000_000
    fault_rates: Mapping[str, float] = field(default_factory=dict)
    fault_retry_after_s: float | None = 1.0
    speed: float = 1.0
    log_entries: int = 1_000_000

    def __post_init__(self) -> None:
        from .faults import KINDS

        if not self.models or not all(self.models):
            raise BadMockSettings("models is empty: name at least one, for example --models a,b")
        if self.while_loading not in ("refuse", "wait"):
            raise BadMockSettings(f"while_loading is {self.while_loading!r}; allowed are refuse and wait")
        for name in ("context_tokens", "answer_tokens", "running", "cache_tokens", "log_entries", "speed"):
            if getattr(self, name) <= 0:
                raise BadMockSettings(f"{name} is {getattr(self, name)}; it must be above 0")
        for name in ("first_token_s", "token_s", "cold_start_s", "warm_up_s", "fault_retry_after_s"):
            if (getattr(self, name) or 0) < 0:
                raise BadMockSettings(f"{name} is {getattr(self, name)}; it must not be below 0")
        unknown = sorted(set(self.fault_rates) - set(KINDS))
        if unknown:
            raise BadMockSettings(f"fault kind {unknown[0]!r} is not known; allowed are {', '.join(KINDS)}")
        total = sum(self.fault_rates.values())
        if min(self.fault_rates.values(), default=0.0) < 0 or total > 1:
            raise BadMockSettings(f"fault rates add up to {total:g}; each is 0 to 1 and so is their sum")
