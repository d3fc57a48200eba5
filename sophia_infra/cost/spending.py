"""What the running machines have cost since the month began, by the launch times in their tags."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

__all__ = ["RunningMachine", "Spent", "spent_this_month"]

_SECONDS_PER_MINUTE = 60
_MINUTES_PER_HOUR = 60
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class RunningMachine:
    """A billed machine of the stack. `launched_at_s` is seconds since 1970; None when no tag says it."""

    name: str
    usd_per_hour: Decimal
    launched_at_s: int | None


@dataclass(frozen=True, slots=True)
class Spent:
    """Dollars since the first of the month (UTC) of what still runs.

    Attributes:
        usd: at least this much: what ended earlier this month is not in the account's list any more.
        since: the first of the month.
        unknown: machines whose launch time nobody recorded (adopted ones); counted from the first.
    """

    usd: Decimal
    since: datetime
    unknown: tuple[str, ...] = ()


def spent_this_month(machines: Iterable[RunningMachine], now_s: float) -> Spent:
    """Sum the list price of every started minute since the later of launch and the first of the month.

    Billing is per minute (facts/lambda-cloud.md 2.3). `now_s` is seconds since 1970 on the cloud's clock.
    """
    now = datetime.fromtimestamp(int(now_s), tz=UTC)
    since = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    total = Decimal(0)
    unknown = []
    for machine in machines:
        launched_at_s = machine.launched_at_s
        if launched_at_s is None:
            unknown.append(machine.name)
            launched_at_s = 0
        seconds = max(0, int(now_s) - max(launched_at_s, int(since.timestamp())))
        minutes = -(-seconds // _SECONDS_PER_MINUTE)
        total += machine.usd_per_hour * minutes / _MINUTES_PER_HOUR
    return Spent(total.quantize(_CENT), since, tuple(sorted(unknown)))
