"""What is shown: everything that the exporter knows at one moment, immutable, so that no scrape waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from sophia_infra.exporter.machines import OWNERS, Fleet, Machine, MachineOwner
from sophia_infra.exporter.meter import Meter
from sophia_infra.exporter.months import month_end_s
from sophia_infra.lambda_cloud import OUTCOMES, Filesystem, InstanceTypeWithCapacity, Outcome
from sophia_infra.model.money import usd_from_cents

__all__ = ["Dollars", "Market", "Snapshot", "dollars_of"]

_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Dollars:
    """Dollars of one list.

    Attributes:
        cost_usd: instance id -> accrued, of every listed machine.
        usd_per_hour: owner -> run rate of what is billed; all owners.
        month_usd, forecast_usd: owner -> since the first of the month (UTC), and until its end at this rate.
        month_is_complete: whether all of the month so far was watched.
    """

    cost_usd: Mapping[str, Decimal]
    usd_per_hour: Mapping[MachineOwner, Decimal]
    month_usd: Mapping[MachineOwner, Decimal]
    forecast_usd: Mapping[MachineOwner, Decimal]
    month_is_complete: bool


@dataclass(frozen=True, slots=True)
class Market:
    """What the service sells, as read at one moment.

    Attributes:
        read_at_s: seconds since 1970.
        usd_per_hour: API type name -> price of one instance now.
        capacity: (type, region) -> whether capacity is listed.
    """

    read_at_s: float
    usd_per_hour: Mapping[str, Decimal]
    capacity: Mapping[tuple[str, str], bool]

    @classmethod
    def of(
        cls,
        sold: Mapping[str, InstanceTypeWithCapacity],
        read_at_s: float,
        *,
        types: tuple[str, ...],
        regions: frozenset[str],
    ) -> Market:
        """Capacity of each of `types` in each of `regions`; a type that is not sold has none."""
        listed = {name: frozenset(row.regions_with_capacity) for name, row in sold.items()}
        return cls(
            read_at_s,
            {name: row.instance_type.usd_per_hour for name, row in sold.items()},
            {(name, code): code in listed.get(name, ()) for name in types for code in sorted(regions)},
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of it.

    Attributes:
        was_tried: whether a first list was answered, refused or lost.
        is_up: whether the last list succeeded.
        polls: outcome -> lists that ended so.
        duration_s: of the last list; None before the first.
        listed_at_s: when the last list that succeeded was asked for, seconds since 1970; None before.
        fleet, dollars: of that list; dollars of machines go on without it.
        market: the last one that was read.
        filesystems: the last ones that were read; None before.
    """

    was_tried: bool = False
    is_up: bool = False
    polls: Mapping[Outcome, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    duration_s: float | None = None
    listed_at_s: float | None = None
    fleet: Fleet | None = None
    dollars: Dollars | None = None
    market: Market | None = None
    filesystems: tuple[Filesystem, ...] | None = None

    @property
    def machines(self) -> tuple[Machine, ...]:
        return () if self.fleet is None else self.fleet.machines


def dollars_of(fleet: Fleet, meter: Meter, now_s: float) -> Dollars:
    """The dollars of a fleet that `meter` has counted up to `now_s`."""
    rate = dict.fromkeys(OWNERS, Decimal(0))
    for machine in fleet.machines:
        if machine.is_billed:
            rate[machine.owner] += usd_from_cents(machine.cents_per_hour)
    month = meter.month_usd()
    rest_s = max(0, month_end_s(meter.month_s) - int(now_s))
    return Dollars(
        cost_usd={one.instance_id: meter.cost_usd(one.instance_id) for one in fleet.machines},
        usd_per_hour=rate,
        month_usd=month,
        forecast_usd={owner: month[owner] + rate[owner] * rest_s / _SECONDS_PER_HOUR for owner in OWNERS},
        month_is_complete=meter.is_complete,
    )
