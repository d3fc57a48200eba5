"""What machines have cost: counters that never fall, exact, and the sums of the month."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Self

from sophia_infra.exporter.machines import OWNERS, Machine, MachineOwner
from sophia_infra.exporter.months import month_start_s
from sophia_infra.provider.matching import MINUTES_PER_HOUR, started_minutes

__all__ = ["GAP_S", "Meter"]

GAP_S = 600.0
"""Seconds without a look after which machines may have come and gone unseen: the month is incomplete then.
A launch and a boot alone take four minutes (facts/lambda-cloud.md 1.6)."""

_KEPT_S = 86_400.0
_LIST_LAG_S = 60.0
_CENT_MINUTES_PER_USD = 100 * MINUTES_PER_HOUR


@dataclass(slots=True)
class _Account:
    """One machine. Money is counted in cent-minutes (cents per hour times minutes), so that it stays whole.

    `minutes` are those counted so far since `since_s`, `month_minutes` those since the later of it and the
    first of the month, as cost/spending.py has them; a price that changes counts from then on. `ended_at_s`
    is when it was seen to be gone; None while it is billed.
    """

    owner: MachineOwner
    since_s: int
    cents_per_hour: int
    minutes: int = 0
    cent_minutes: int = 0
    month_minutes: int = 0
    month_cent_minutes: int = 0
    ended_at_s: float | None = None

    def count_to(self, now_s: float, month_s: int) -> None:
        """Add every minute begun since the last count. A clock that was set back adds none."""
        more = max(0, started_minutes(self.since_s, now_s) - self.minutes)
        self.minutes += more
        self.cent_minutes += more * self.cents_per_hour
        more = max(0, started_minutes(max(self.since_s, month_s), now_s) - self.month_minutes)
        self.month_minutes += more
        self.month_cent_minutes += more * self.cents_per_hour


@dataclass(slots=True)
class Meter:
    """The cost of every machine that was seen. Belongs to one thread.

    A machine is billed from its launch by our tag, else from when it was first seen, for every started
    minute, until a list shows it ended or no more. So in the last interval it is billed a little too long,
    never too short. What came and went between two lists is billed where the API still showed it ended.

    Attributes:
        month_s: seconds since 1970 at which the month began whose sums these are.
        counted_at_s: when it last counted; None before the first time.
        seen_at_s: when it last saw a list; None before.
        watched_since_s: since when no gap of more than `GAP_S` was between two lists.
    """

    month_s: int = 0
    counted_at_s: float | None = None
    seen_at_s: float | None = None
    watched_since_s: float = 0.0
    _accounts: dict[str, _Account] = field(default_factory=dict)
    _is_watching: bool = False

    def see(self, machines: Iterable[Machine], now_s: float) -> None:
        """Count up to now with a list of the account that was read now."""
        self._turn_month(now_s)
        was_off = self.counted_at_s is None or now_s - self.counted_at_s > GAP_S
        last_seen_s = self.seen_at_s
        if last_seen_s is None or now_s - last_seen_s > GAP_S:
            self.watched_since_s = now_s
        listed = {machine.instance_id: machine for machine in machines}
        for instance_id, account in self._accounts.items():
            # What ended while this process was off, ended at nobody knows when: nothing is added.
            if instance_id not in listed and account.ended_at_s is None:
                if not was_off:
                    account.count_to(now_s, self.month_s)
                account.ended_at_s = now_s
        for machine in listed.values():
            self._see_one(machine, now_s, None if was_off else last_seen_s)
        self.counted_at_s = self.seen_at_s = now_s
        self._is_watching = True
        self._forget(now_s)

    def pass_time(self, now_s: float) -> None:
        """Count up to now with no list: what was billed still is. Before the first list: nothing."""
        if not self._is_watching:
            return
        self._turn_month(now_s)
        for account in self._accounts.values():
            if account.ended_at_s is None:
                account.count_to(now_s, self.month_s)
        self.counted_at_s = now_s

    def cost_usd(self, instance_id: str) -> Decimal:
        """What a machine that was seen has cost so far."""
        return Decimal(self._accounts[instance_id].cent_minutes) / _CENT_MINUTES_PER_USD

    def month_usd(self) -> dict[MachineOwner, Decimal]:
        """Dollars since the first of the month (UTC) by owner, ended machines included."""
        sums = dict.fromkeys(OWNERS, 0)
        for account in self._accounts.values():
            sums[account.owner] += account.month_cent_minutes
        return {owner: Decimal(cents) / _CENT_MINUTES_PER_USD for owner, cents in sums.items()}

    @property
    def is_complete(self) -> bool:
        """Whether it watched all of the month so far, without a gap."""
        return self.seen_at_s is not None and self.watched_since_s <= self.month_s + GAP_S

    def dump(self) -> dict[str, Any]:
        """Plain data for a file."""
        return {
            "month_s": self.month_s,
            "counted_at_s": self.counted_at_s,
            "seen_at_s": self.seen_at_s,
            "watched_since_s": self.watched_since_s,
            "machines": {instance_id: asdict(account) for instance_id, account in self._accounts.items()},
        }

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Self:
        """What `dump` gave. Raises ValueError, TypeError or KeyError for anything else."""
        machines = data["machines"]
        if not isinstance(machines, dict):
            raise TypeError("machines are no mapping")
        return cls(
            month_s=_whole(data["month_s"]),
            counted_at_s=_moment(data["counted_at_s"]),
            seen_at_s=_moment(data["seen_at_s"]),
            watched_since_s=_moment(data["watched_since_s"]) or 0.0,
            _accounts={instance_id: _account(row) for instance_id, row in machines.items()},
        )

    def _see_one(self, machine: Machine, now_s: float, last_seen_s: float | None) -> None:
        """`last_seen_s`: of the list before; None when nobody watched until now."""
        account = self._accounts.get(machine.instance_id)
        is_new = account is None
        if account is None:
            since_s = int(now_s) if machine.launched_at_s is None else max(0, machine.launched_at_s)
            account = _Account(machine.owner, since_s, machine.cents_per_hour)
            self._accounts[machine.instance_id] = account
        if not machine.is_billed and account.ended_at_s is None:
            # What was not seen before ended at nobody knows when, unless it was launched since the last look.
            is_known = last_seen_s is not None and (
                not is_new or account.since_s >= last_seen_s - _LIST_LAG_S
            )
            if is_known:
                account.count_to(now_s, self.month_s)
            account.ended_at_s = now_s
        if machine.is_billed:
            account.count_to(now_s, self.month_s)  # at the price of then
            account.ended_at_s = None
        account.owner = machine.owner
        account.cents_per_hour = machine.cents_per_hour

    def _turn_month(self, now_s: float) -> None:
        month_s = month_start_s(now_s)
        if month_s > self.month_s:  # a clock that was set back ends no month
            self.month_s = month_s
            for account in self._accounts.values():
                account.month_minutes = account.month_cent_minutes = 0

    def _forget(self, now_s: float) -> None:
        """Drop what ended in an earlier month, not before a day: after a list that erred counters go on."""
        self._accounts = {
            instance_id: account
            for instance_id, account in self._accounts.items()
            if account.ended_at_s is None or account.ended_at_s >= min(self.month_s, now_s - _KEPT_S)
        }


def _account(row: Mapping[str, Any]) -> _Account:
    if row["owner"] not in OWNERS:
        raise ValueError(f"no owner is called {row['owner']!r}")
    counts = ("since_s", "cents_per_hour", "minutes", "cent_minutes", "month_minutes", "month_cent_minutes")
    whole = {name: _whole(row[name]) for name in counts}
    return _Account(owner=row["owner"], ended_at_s=_moment(row["ended_at_s"]), **whole)


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no whole number from 0 on")
    return value


def _moment(value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e12:
        raise ValueError(f"{value!r} is no moment")
    return float(value)
