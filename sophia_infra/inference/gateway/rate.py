"""How fast one key may call: a token bucket for each key."""

from __future__ import annotations

from collections.abc import Collection

from sophia_infra.inference.errors import RateLimited
from sophia_infra.inference.gateway.keys import Caller
from sophia_infra.model.gateway import GatewayConfig

__all__ = ["RateLimits", "TokenBucket"]

_SECONDS_PER_MINUTE = 60.0


class TokenBucket:
    """Holds up to `burst` calls and refills at `rate_per_s`. Full at the start; never sleeps.

    Args:
        now_s: monotonic seconds, as in `take`.
    """

    def __init__(self, rate_per_s: float, burst: int, now_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._calls = float(burst)
        self._at_s = now_s

    def take(self, now_s: float) -> float:
        """Take one call: 0.0 when there was one, else seconds until there will be (nothing is taken)."""
        passed_s = max(0.0, now_s - self._at_s)
        self._at_s = max(self._at_s, now_s)
        self._calls = min(float(self._burst), self._calls + passed_s * self._rate_per_s)
        if self._calls >= 1.0:
            self._calls -= 1.0
            return 0.0
        return (1.0 - self._calls) / self._rate_per_s


class RateLimits:
    """A bucket for each key that called; those of removed keys go with `keep_only`."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, caller: Caller, now_s: float) -> None:
        """Count one call of `caller`.

        Raises:
            RateLimited: too fast; `retry_after_s` says when the next call fits.
        """
        bucket = self._buckets.get(caller.key_hash)
        if bucket is None:
            per_minute = self._per_minute(caller.user)
            bucket = TokenBucket(per_minute / _SECONDS_PER_MINUTE, self._config.limits.burst, now_s)
            self._buckets[caller.key_hash] = bucket
        wait_s = bucket.take(now_s)
        if wait_s > 0:
            raise RateLimited(
                f"{self._per_minute(caller.user)} requests a minute are allowed for this key, "
                f"{self._config.limits.burst} at once.",
                retry_after_s=wait_s,
            )

    def keep_only(self, key_hashes: Collection[str]) -> None:
        """Forget the buckets of all other keys."""
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if key in key_hashes}

    def _per_minute(self, user: str) -> int:
        settings = self._config.users.get(user)
        if settings is not None and settings.requests_per_minute is not None:
            return settings.requests_per_minute
        return self._config.limits.requests_per_minute
