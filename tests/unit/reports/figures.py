"""Snapshots and histories to render, made by hand. Not a test itself."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sophia_infra.cost.forecast import DayCost
from sophia_infra.reports.figures import known, unknown
from sophia_infra.reports.fleet import OWNERS, Fleet, Machine, MachineOwner
from sophia_infra.reports.history import GpuHistory, History, SloHistory
from sophia_infra.reports.inference_facts import no_inference
from sophia_infra.reports.prometheus_facts import Alert, GpuUse, Month
from sophia_infra.reports.slo_facts import ServiceSlo, Slos
from sophia_infra.reports.snapshot import BudgetTerms, Snapshot, forecast_of, with_history

__all__ = ["EVIL", "NOTHING", "NOW_S", "a_history", "a_machine", "a_snapshot", "with_everything"]

EVIL = "<script>alert(1)</script>"
NOW_S = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
TODAY = date(2026, 11, 21)
NOTHING = "no Prometheus was given: --prometheus URL"


def a_machine(number: int, owner: MachineOwner = "stack", **changes: Any) -> Machine:
    """One A10 of $1.29/h that has cost $3.87."""
    made = Machine(
        name=f"machine-{number}",
        instance_id=f"{number:032x}",
        owner=owner,
        status="active",
        instance_type="gpu_1x_a10",
        gpu="1x A10 (24 GB PCIe)",
        region="us-west-1",
        purpose="development",
        usd_per_hour=Decimal("1.29"),
        usd_so_far=Decimal("3.87"),
        launched_at_s=int(NOW_S) - 3 * 3600,
    )
    return replace(made, **changes)


def a_snapshot(
    *machines: Machine, budget_usd: str = "6000", spent_usd: str = "1764.00", **changes: Any
) -> Snapshot:
    """Of a stack whose machines and month are known, and nothing else."""
    month_usd: dict[MachineOwner, Decimal] = dict.fromkeys(OWNERS, Decimal(0))
    fleet = known(Fleet(machines, (), month_usd), "the emulator, list of instances", NOW_S)
    month = known(Month(Decimal(spent_usd), is_complete=False), "launch tags", NOW_S)
    made = Snapshot(
        stack="local",
        taken_at_s=NOW_S,
        budget=BudgetTerms(Decimal(budget_usd), 80),
        fleet=fleet,
        month=month,
        forecast=forecast_of(month, fleet),
        inference=no_inference(NOTHING),
        gpus=unknown(NOTHING),
        slo=unknown(NOTHING),
        alerts=unknown(NOTHING),
    )
    return replace(made, **changes)


def a_history(gpus: int = 5) -> History:
    """Twenty days, the first one watched in part."""
    days = [TODAY - timedelta(days=ago) for ago in range(20, 0, -1)]
    cost = tuple(
        DayCost(day, Decimal("176.40") + place % 3 * 31, is_whole=place > 0) for place, day in enumerate(days)
    )
    inference = tuple(DayCost(day, Decimal("0.0042")) for day in days)
    rows = tuple(
        GpuHistory(
            f"node-{number} {EVIL} $x$ GPU 0",
            "NVIDIA A10",
            tuple(
                (NOW_S - ago * 3600, 50 + 40 * math.sin(ago / 24 * math.pi + number))
                for ago in range(20 * 24, 0, -3)
            ),
        )
        for number in range(gpus)
    )
    slo = (SloHistory("http", "default", "backend", ((days[3], 0.998), (days[4], 1.0))),)
    return History(
        20,
        known(cost, "sophia exporter", NOW_S),
        known(inference, "the gateways", NOW_S),
        known(rows, "dcgm-exporter", NOW_S),
        known(slo, "Prometheus", NOW_S),
    )


def with_everything(*, gpus: int = 5) -> tuple[Snapshot, History]:
    """All sections filled, every text of a machine or a person with markup in it."""
    machines = (
        a_machine(1),
        a_machine(2, "orphan", name=f"{EVIL} & 'lost'", purpose=f'"{EVIL}"'),
        a_machine(3, "unknown", usd_so_far=None),
        a_machine(4, "other", purpose="stack a/b"),
    )
    alerts = (
        Alert("Burns", "critical", "firing", EVIL, EVIL, "2026-11-21T11:00:00.123Z", "javascript:alert(1)"),
        Alert(
            "Warns", "warning", "firing", "a", "b", "2026-11-21T11:00:00Z", 'https://example.com/"onload="x'
        ),
        Alert("Waits", "info", "pending", "a", "b", "2026-11-21T11:00:00Z", "docs/runbooks.md#waits"),
    )
    uses = tuple(
        GpuUse(
            f"node-{number}{EVIL}",
            "0",
            EVIL,
            63.0,
            None if number else 30.0,
            (f"ns/{EVIL}",) if number else (),
        )
        for number in range(gpus)
    )
    slos = Slos(
        0.999,
        (
            ServiceSlo("http", "default", "backend", 0.998, -1.0),
            ServiceSlo("inference", "default", EVIL, 1.0, 1.0),
        ),
    )
    history = a_history(gpus)
    snapshot = a_snapshot(
        *machines,
        stack=EVIL,
        gpus=known(uses, "dcgm-exporter", NOW_S),
        slo=known(slos, "Prometheus", NOW_S),
        alerts=known(alerts, "Prometheus", NOW_S),
    )
    return with_history(snapshot, history.cost), history
