"""Advice followed on the emulator: its meter bills what the advice said that it would."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from sophia_infra.cost.boot import boot_minutes
from sophia_infra.optimization.config import OptimizationConfig
from sophia_infra.optimization.recommendation import Kind
from sophia_infra.optimization.rules.machines import off_stretches
from sophia_infra.provider.instance_end import terminate
from tests.summary import SUMMARY_LINE
from tests.unit.optimization.facts import advise, fact, fleet, report
from tests.unit.optimization.ground import DAY_S, HOUR_S, Ground
from tests.unit.optimization.shapes import machine, office

WEEK_H = 168
A10_USD = Decimal("1.29")


def test_a_week_of_office_hours_bills_what_the_schedule_promised(
    ground: Ground, record_property: Callable[[str, object], None]
) -> None:
    tracks = {"dev": machine(office(60.0))}
    config = OptimizationConfig.model_validate({"without_usd": {"dev": "$0.000001/h"}})
    (one,) = [row for row in advise(fleet(fact("dev")), tracks, config) if row.kind == Kind.SCHEDULE]
    usage = report(tracks).machines["id-dev"]
    off = {
        (start + hour) % WEEK_H
        for start, length in off_stretches(usage.off_hours, 6, 7)
        for hour in range(length)
    }
    lead_s = boot_minutes("gpu_1x_a10").high * 60.0
    session = ground.session()
    begun_s = ground.clock.now() + DAY_S

    def wait_until(hour: int, earlier_s: float = 0.0) -> None:
        ground.cloud.advance(max(0.0, begun_s + hour * HOUR_S - earlier_s - ground.clock.now()))

    for hour in range(WEEK_H):
        if hour not in off and hour - 1 in off:
            # Early, so that it is ready when it is needed.
            wait_until(hour, lead_s)
            running = ground.launch("dev", ago_s=0.0)
            wait_until(next(later for later in range(hour, WEEK_H) if later in off))
            terminate(session, running, "dev")
    billed = sum((Decimal(row["billed_usd"]) for row in ground.cloud.dump()["instances"]), Decimal(0))
    saved = (A10_USD * WEEK_H - billed) * 720 / WEEK_H
    record_property(
        SUMMARY_LINE,
        f"cost schedule: a week of office hours on the meter saves ${saved:.2f} a month, promised "
        f"${one.saving.low} to ${one.saving.high}",
    )
    assert len(ground.cloud.dump()["instances"]) == 5
    assert one.saving.low <= saved <= one.saving.high
