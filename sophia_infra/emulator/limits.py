"""The vendor's two rates, on the emulator's clock: 1 request per second, 1 launch per 12 s."""

from __future__ import annotations

from sophia_infra.emulator.core import Core

__all__ = ["Limits"]


class Limits:
    """Remembers when the next request and the next launch may come (a leaky bucket of one).

    A request that comes up to `limit_tolerance_s` early passes, but moves the next one on by the whole
    interval, so that over time the rate holds. A refused request moves nothing.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._next_s: dict[str, float] = {}
        self.refused_count = 0

    def seconds_to_wait(self, *, launch: bool) -> float:
        """0 when the request may pass (it is then counted), else the seconds until it may."""
        settings = self._core.settings
        if settings.limits == "off":
            return 0.0
        now_s = self._core.now()
        intervals = {"request": settings.request_interval_s}
        if launch:
            intervals["launch"] = settings.launch_interval_s
        early_s = max(self._next_s.get(kind, now_s) - now_s for kind in intervals)
        if early_s > settings.limit_tolerance_s:
            self.refused_count += 1
            return early_s
        for kind, interval_s in intervals.items():
            self._next_s[kind] = max(now_s, self._next_s.get(kind, now_s)) + interval_s
        return 0.0

    def clear(self) -> None:
        self._next_s.clear()
        self.refused_count = 0
