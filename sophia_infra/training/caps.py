"""The limits of a run as arithmetic: when it has to end so that it cannot cost more. Pure, Decimal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

__all__ = ["LEAST_S", "Billed", "Deadline", "billed_usd", "ending_reserve_s", "latest_end"]

LEAST_S = 3600
"""Less than an hour is not worth a launch: 8 GPUs were seen to boot for 25 minutes (facts 1.6)."""

_S_PER_MINUTE = 60
_S_PER_HOUR = 3600
_REQUEST_S = 1
_TERMINATING_S = 60
"""From an accepted terminate to `terminated`, which is billed: 30 s in the emulator, not documented."""


@dataclass(frozen=True, slots=True)
class Billed:
    """One machine's bill: from launch until it ended, None while it lives. Seconds since 1970."""

    usd_per_hour: Decimal
    launched_at_s: float
    ended_at_s: float | None = None

    def minutes(self, now_s: float) -> int:
        """Started minutes: what the service bills (facts 2.3)."""
        until_s = now_s if self.ended_at_s is None else self.ended_at_s
        return max(0, -int(-(until_s - self.launched_at_s) // _S_PER_MINUTE))

    def usd(self, now_s: float) -> Decimal:
        """Dollars so far at list price, unrounded."""
        return self.usd_per_hour * self.minutes(now_s) / 60


@dataclass(frozen=True, slots=True)
class Deadline:
    """When the machines of a launch have to end, and which of the two limits says so."""

    at_s: int
    by: str


def billed_usd(machines: Iterable[Billed], now_s: float) -> Decimal:
    """Dollars of all of them together."""
    return sum((machine.usd(now_s) for machine in machines), Decimal(0))


def ending_reserve_s(nodes: int, poll_s: float) -> float:
    """How long before its dollars are used up a run has to begin to end.

    A poll passes until somebody looks, then one request a second leaves for each node, a machine bills until
    it is terminated, and the last minute counts as a whole one.
    """
    return poll_s + nodes * _REQUEST_S + _TERMINATING_S + _S_PER_MINUTE


def latest_end(
    *,
    began_s: float,
    now_s: float,
    max_hours: int,
    max_usd: Decimal,
    spent_usd: Decimal,
    nodes: int,
    usd_per_hour: Decimal,
    poll_s: float,
) -> Deadline:
    """When `nodes` machines launched from now on have to end; in the past when nothing is left.

    Args:
        began_s: the first launch of the run.
        spent_usd: by machines of this run that have ended already.
        usd_per_hour: of one node.
    """
    by_hours = int(began_s) + max_hours * _S_PER_HOUR
    left_s = (max_usd - spent_usd) * _S_PER_HOUR / (usd_per_hour * nodes)
    whole_s = int(left_s.to_integral_value(ROUND_FLOOR)) - int(ending_reserve_s(nodes, poll_s))
    by_dollars = int(now_s) + whole_s
    return Deadline(by_hours, "max_hours") if by_hours <= by_dollars else Deadline(by_dollars, "max_usd")
