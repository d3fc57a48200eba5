"""Machines that do nothing, and machines that do nothing at certain hours. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from sophia_infra.cost.boot import boot_minutes
from sophia_infra.model.money import format_usd
from sophia_infra.optimization.capacity_risk import CapacityRisk, capacity_risk
from sophia_infra.optimization.facts import MachineFacts
from sophia_infra.optimization.recommendation import (
    Evidence,
    Kind,
    Recommendation,
    Saving,
    recommendation_id,
)
from sophia_infra.optimization.risk import machine_verdict
from sophia_infra.optimization.rules.look import WEEKS_PER_MONTH, Look
from sophia_infra.optimization.stack_change import RemoveMachine, StackChange
from sophia_infra.optimization.usage import HOURS_OF_WEEK, MachineUsage

__all__ = ["find_idle", "find_schedules", "is_idle", "off_stretches"]

_QUIET_SHARE: Final = 0.98
"""A machine idles although its processor is busy for up to 2 % of the time: half an hour a day of updates
and backups. Its GPU may not be used at all."""

_REGULAR_SHARE: Final = 0.9
"""Of the busy hours at most one in ten may be where no week has them: a batch on the first of the month is in
another hour of the week each time, and would find the machine gone."""

_END_MINUTES: Final = 2
"""Minutes that are billed after a terminate: it takes half a minute, and billing is by the started minute."""

_RULE_OF_THREE: Final = 3
"""What was not seen on n days happens with 95 % on fewer than 3 of n."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def is_idle(usage: MachineUsage, look: Look) -> bool:
    """Whether nothing ran on it to speak of in the whole time."""
    return (
        usage.gpu_p95 < look.config.idle_percent
        and usage.gpu_peak < look.config.low_percent
        and usage.quiet_share >= _QUIET_SHARE
    )


def find_idle(look: Look) -> Iterator[Recommendation]:
    """Machines of the file to be taken out of it."""
    for machine, usage in look.judged():
        if not is_idle(usage, look):
            continue
        month = machine.usd_per_month
        unseen = Decimal(_RULE_OF_THREE) / Decimal(max(_RULE_OF_THREE, int(usage.days)))
        saving = Saving.of(month * (1 - unseen), month * Decimal(str(usage.quiet_share)), month)
        yield Recommendation(
            id=recommendation_id(Kind.IDLE, look.fleet.stack, machine.name),
            kind=Kind.IDLE,
            subject=machine.name,
            title=f"{machine.name} does nothing: end it",
            savings={machine.key: saving},
            evidence=(look.price(machine), *look.measured(usage)),
            verdict=machine_verdict(machine, look.config),
            steps=(
                f"take {machine.name} out of the fleet (the diff does)",
                f"`sophia up --stack {_short(look)}`: it terminates the machine, filesystems stay",
            ),
            undo=f"put {machine.name} back and run `sophia up`: it launches the same description, if there "
            "is capacity; what was on its local disk is gone",
            requires=_requires(machine),
            change=StackChange((RemoveMachine(machine.name),)),
        )


def find_schedules(look: Look) -> Iterator[Recommendation]:
    """Machines that are needed at some hours only: terminate and launch again, as Lambda has no stop."""
    for machine, usage in look.judged():
        stretches = off_stretches(
            usage.off_hours, look.config.min_off_hours, look.config.max_relaunches_per_week
        )
        hours = sum(length for _, length in stretches)
        is_known = usage.hours_seen >= look.config.schedule_min_weeks
        if not stretches or hours == HOURS_OF_WEEK or not is_known or is_idle(usage, look):
            continue
        if usage.regular_share < _REGULAR_SHARE:
            continue
        risk = capacity_risk(
            machine.instance_type,
            machine.region,
            look.usage.capacity if look.usage else {},
            wait_hours=look.config.capacity_wait_hours,
        )
        saving, evidence = _priced(look, machine, stretches, risk)
        yield Recommendation(
            id=recommendation_id(Kind.SCHEDULE, look.fleet.stack, machine.name),
            kind=Kind.SCHEDULE,
            subject=machine.name,
            title=f"{machine.name} is needed {HOURS_OF_WEEK - hours} of {HOURS_OF_WEEK} hours a week",
            savings={machine.key: saving},
            evidence=(look.price(machine), *evidence, *look.measured(usage)),
            verdict=machine_verdict(machine, look.config),
            steps=(
                *(f"off {_span(start, length)} ({look.config.timezone})" for start, length in stretches),
                f"to end it: apply the diff, `sophia up --stack {_short(look)}`",
                "to have it back: take the diff back (`git apply -R`) and run `sophia up`, "
                f"{boot_minutes(machine.instance_type).high} min before it is needed",
            ),
            undo="take the diff back for good and run `sophia up`",
            requires=(
                *_requires(machine),
                "its data on a filesystem of sophia:filesystems, mounted at launch; "
                f"100 GiB there cost {format_usd(look.fleet.usd_per_gib_month * 100)} a month",
                "`fallbacks` or `wait_for_capacity` in the file, since a relaunch can be refused",
            ),
            change=StackChange((RemoveMachine(machine.name),)),
        )


def off_stretches(off_hours: frozenset[int], min_hours: int, most: int) -> tuple[tuple[int, int], ...]:
    """(first hour of the week, hours) of the longest `most` stretches of at least `min_hours`.

    The week is a ring. In the order of the week.
    """
    if len(off_hours) == HOURS_OF_WEEK:
        return ((0, HOURS_OF_WEEK),)
    found = []
    for hour in sorted(off_hours):
        if (hour - 1) % HOURS_OF_WEEK in off_hours:
            continue
        length = 1
        while (hour + length) % HOURS_OF_WEEK in off_hours:
            length += 1
        if length >= min_hours:
            found.append((hour, length))
    return tuple(sorted(sorted(found, key=lambda row: -row[1])[:most]))


def _priced(
    look: Look, machine: MachineFacts, stretches: tuple[tuple[int, int], ...], risk: CapacityRisk
) -> tuple[Saving, tuple[Evidence, ...]]:
    """Hours off, less boots paid before the machine is needed, less what a refused relaunch costs."""
    boot = boot_minutes(machine.instance_type)
    hours = Decimal(sum(length for _, length in stretches))
    cycles = len(stretches) * WEEKS_PER_MONTH
    stated = look.config.without_usd.get(machine.name)
    without = machine.usd_per_hour if stated is None else stated.usd_per_hour
    gross = machine.usd_per_hour * hours * WEEKS_PER_MONTH

    def boots(minutes: int) -> Decimal:
        return machine.usd_per_hour * cycles * minutes / 60

    saving = Saving.of(
        gross - boots(boot.high + _END_MINUTES) - risk.usd(cycles, without, high=True),
        gross - boots((boot.low + boot.high) // 2 + 1) - risk.usd(cycles, without),
        gross - boots(boot.low),
    )
    evidence = (
        Evidence(
            "off hours",
            f"{hours} of {HOURS_OF_WEEK} a week, {format_usd(gross)} a month before what relaunches cost",
            "" if look.usage is None else look.usage.source,
            0.0,
        ),
        Evidence(
            "relaunches",
            f"{cycles:.1f} a month, each refused with a chance of {risk.chance * 100:.0f} % and then missing "
            f"for {risk.wait_hours:.1f} h at {format_usd(without)}/h: "
            f"{format_usd(risk.usd(cycles, without))} a month",
            risk.source,
            None,
        ),
    )
    return saving, evidence


def _requires(machine: MachineFacts) -> tuple[str, ...]:
    found = []
    if machine.protected:
        found.append(f"`protect: false` for {machine.name}, and `sophia up`, before this")
    if machine.adopted:
        found.append(
            f"a whole description of {machine.name} in the file (SSH key, image, user data), since it was "
            "adopted and nothing there says how to launch it"
        )
    if machine.always_on:
        found.append(f"somebody who takes back that {machine.name} is always on")
    return tuple(found)


def _span(start: int, length: int) -> str:
    end = (start + length) % HOURS_OF_WEEK
    return f"{_DAYS[start // 24]} {start % 24:02d}:00 to {_DAYS[end // 24]} {end % 24:02d}:00"


def _short(look: Look) -> str:
    return look.fleet.stack.rsplit("/", 1)[-1]
