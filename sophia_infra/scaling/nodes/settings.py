"""The scaler's settings as it uses them: names resolved, lead times known, limits of the whole stack."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

from sophia_infra.cost.boot import boot_minutes
from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.instance import READY_TIMEOUT_MINUTES, READY_TIMEOUT_MINUTES_8_GPUS, InstanceConfig
from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.quota import QuotaConfig
from sophia_infra.model.scaler import CalendarConfig, DemandConfig, ScalerConfig, ScalerPool, ScheduledMin
from sophia_infra.scaling.capacity import lead_time_of
from sophia_infra.scaling.errors import SettingsRefused
from sophia_infra.scaling.holidays import SUNDAY, WorkCalendar

__all__ = ["LEAD_LEVEL", "FleetMachine", "Limits", "PoolSettings", "ScalerSettings"]

LEAD_LEVEL: Final = 0.95
"""Share of launches whose lead time is covered, as in `ScaleSettings`."""

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LOOK_AHEAD_S: Final = 900


@dataclass(frozen=True, slots=True)
class FleetMachine:
    """A machine of `sophia:fleet`: never touched, but its price and its place are kept free.

    Attributes:
        adopt_id, adopt_name: by which it is found when it was not launched by us.
    """

    name: str
    instance_type: str
    adopt_id: str | None = None
    adopt_name: str | None = None

    @classmethod
    def of(cls, name: str, config: InstanceConfig) -> FleetMachine:
        adopt = config.adopt
        return cls(name, config.type, adopt.id if adopt else None, adopt.name if adopt else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What must never be exceeded by a launch. Whoever binds is named in the decision.

    Attributes:
        max_instances: of all pools together.
        budget_usd_per_hour: of all that the stack runs: fleet (absent machines too), scaled, training.
        max_gpus: API type name -> GPUs of it in the stack.
        quota: of the account, as its owner stated it.
    """

    max_instances: int
    budget_usd_per_hour: Decimal
    max_gpus: Mapping[str, int] = field(default_factory=dict)
    quota: QuotaConfig = field(default_factory=QuotaConfig)


@dataclass(frozen=True)
class PoolSettings:
    """One pool. Attributes as in `ScalerPool`, with what it leaves open filled in.

    Attributes:
        lead_s: seconds from launch to use that are planned for.
        ready_timeout_s: a machine that is no node after that is given up and replaced.
    """

    name: str
    types: tuple[str, ...]
    regions: tuple[str, ...]
    min: int
    max: int
    ssh_key: str
    lead_s: float
    ready_timeout_s: float
    warm_spares: int = 0
    cooldown_s: float = 1800.0
    scale_down_after_s: float = 600.0
    drain_timeout_s: float = 900.0
    demand: tuple[DemandConfig, ...] = ()
    schedule: tuple[ScheduledMin, ...] = ()
    calendar: CalendarConfig = field(default_factory=CalendarConfig)
    image_family: str | None = None
    user_data: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, name: str, pool: ScalerPool, calendar: CalendarConfig, ssh_key: str | None) -> PoolSettings:
        """Raises SettingsRefused: a lead time shorter than the longest boot of a type, or no SSH key."""
        key = pool.ssh_key or ssh_key
        if key is None:
            raise SettingsRefused(
                f"sophia:scaler.pools.{name}.ssh_key is missing, and so is sophia:ssh.",
                next_step="name a key of the account: a launch takes exactly one.",
            )
        lead_s = max(lead_time_of(one).quantile_s(LEAD_LEVEL) for one in pool.types)
        if pool.lead_time_s is not None:
            longest_s = max(float(boot_minutes(one).high) * 60 for one in pool.types)
            if pool.lead_time_s < longest_s:
                raise SettingsRefused(
                    f"sophia:scaler.pools.{name}.lead_time_s is {pool.lead_time_s}; boots of "
                    f"{', '.join(pool.types)} were reported to take up to {longest_s:.0f} s.",
                    next_step=f"choose {longest_s:.0f} to 3300, or leave it out.",
                )
            lead_s = float(pool.lead_time_s)
        gpus = max(CATALOGUE[one].gpu_count for one in pool.types)
        minutes = READY_TIMEOUT_MINUTES_8_GPUS if gpus >= 8 else READY_TIMEOUT_MINUTES
        return cls(
            name=name,
            types=pool.types,
            regions=pool.regions,
            min=pool.min,
            max=pool.max,
            ssh_key=key,
            lead_s=lead_s,
            ready_timeout_s=minutes * 60.0,
            warm_spares=pool.warm_spares,
            cooldown_s=pool.cooldown_s,
            scale_down_after_s=pool.scale_down_after_s,
            drain_timeout_s=pool.drain_timeout_s,
            demand=pool.demand,
            schedule=pool.schedule,
            calendar=calendar,
            image_family=pool.image_family,
            user_data=pool.user_data,
        )

    @classmethod
    def retired(cls, name: str) -> PoolSettings:
        """A pool that the file no longer has: what is left of it is drained and ended."""
        return cls(
            name=name,
            types=(),
            regions=(),
            min=0,
            max=0,
            ssh_key="",
            lead_s=0.0,
            ready_timeout_s=READY_TIMEOUT_MINUTES_8_GPUS * 60.0,
            cooldown_s=0.0,
            scale_down_after_s=0.0,
        )

    @cached_property
    def work_calendar(self) -> WorkCalendar:
        """Raises SettingsRefused: no such zone."""
        calendar = self.calendar
        return WorkCalendar(calendar.zone, calendar.country, frozenset(calendar.days_off))

    def min_at(self, now_s: float) -> int:
        """Fewest nodes now, and for what the schedule asks within the lead time."""
        if not self.schedule:
            return self.min
        moments = [now_s + self.lead_s]
        at_s = now_s
        while at_s < now_s + self.lead_s:
            moments.append(at_s)
            at_s += _LOOK_AHEAD_S
        return max(self.min, *(self._scheduled(moment) for moment in moments))

    def _scheduled(self, at_s: float) -> int:
        calendar = self.work_calendar
        local = datetime.fromtimestamp(at_s, tz=ZoneInfo(calendar.zone))
        weekday = SUNDAY if calendar.is_day_off(local.date()) else local.weekday()
        minutes = timedelta(hours=local.hour, minutes=local.minute) // timedelta(minutes=1)
        return max(
            (
                one.min
                for one in self.schedule
                if _DAYS[weekday] in one.days and one.begin <= minutes < one.end
            ),
            default=0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalerSettings:
    """One stack's scaler.

    Attributes:
        stack: "project/stack", the value of the stack tag.
        pools: served in this order.
        fleet: machines of the stack file, which are not the scaler's.
        interval_s: between two looks.
        prices: for what the API does not sell now.
    """

    stack: str
    pools: tuple[PoolSettings, ...]
    limits: Limits
    fleet: tuple[FleetMachine, ...] = ()
    interval_s: float = 60.0
    prices: PriceBook = field(default_factory=PriceBook.fallback)

    @classmethod
    def of(
        cls,
        stack: str,
        config: ScalerConfig,
        *,
        fleet: Mapping[str, InstanceConfig],
        budget_usd_per_hour: Decimal,
        quota: QuotaConfig | None,
        ssh_key: str | None,
    ) -> ScalerSettings:
        """From the stack file. `fleet`: the instances of the phase in force.

        Raises:
            SettingsRefused: see `PoolSettings.of`.
        """
        return cls(
            stack=stack,
            pools=tuple(
                PoolSettings.of(name, pool, config.calendar, ssh_key) for name, pool in config.pools.items()
            ),
            limits=Limits(
                max_instances=config.max_instances,
                budget_usd_per_hour=budget_usd_per_hour,
                max_gpus=config.max_gpus,
                quota=quota or QuotaConfig(),
            ),
            fleet=tuple(FleetMachine.of(name, one) for name, one in fleet.items()),
            interval_s=float(config.interval_s),
        )

    def emptied(self) -> ScalerSettings:
        """The same with every pool at nothing: what `sophia scaler run --empty` works towards."""
        return replace(self, pools=tuple(PoolSettings.retired(one.name) for one in self.pools))

    def with_leftovers(self, names: Collection[str]) -> tuple[PoolSettings, ...]:
        """All pools, and a retired one for each of `names` that is not in the file."""
        known = {one.name for one in self.pools}
        return (*self.pools, *(PoolSettings.retired(name) for name in sorted(set(names) - known)))
