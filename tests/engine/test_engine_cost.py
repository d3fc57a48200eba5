"""Dollars of a preview on the real engine, beside what the emulator's meter then bills."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cost import (
    Prices,
    build_report,
    plan_of_events,
    plan_of_state,
    plan_rows,
    read_plan,
    sum_rows,
)
from sophia_infra.cost.terms import terms_of_plan
from sophia_infra.engine.events import Event
from sophia_infra.engine.run import OperationOptions
from sophia_infra.engine.stacks import export_stack
from sophia_infra.model.price_book import PriceBook
from tests.engine.project import A10, A6000, Project

pytestmark = pytest.mark.engine

DATED, OF_THE_PLAN = Prices((PriceBook.fallback(),)), Prices((PriceBook.plan(),))
FLEET = {
    "sophia-ai-core": {"type": "1xGH200", "region": "us-east-3", "purpose": "core"},
    "sophia-mcp-orchestrator": A6000,
    "sophia-data-pipeline": {"type": "gpu_1x_a100", "region": "us-south-1", "purpose": "data"},
    "sophia-production": {"type": "1xRTX6000", "region": "us-south-1", "purpose": "backend"},
    "sophia-development": A10,
}
ONE_MORE = {"type": "gpu_1x_a100", "region": "us-south-1", "purpose": "one more"}
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str


def sophia(project: Project, *arguments: str) -> Finished:
    """The real command on the test's project and emulator."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "SOPHIA_"))
    }
    environment |= {**project.environment, "SOPHIA_PROJECT": str(project.root)}
    done = subprocess.run(
        [sys.executable, "-m", "sophia_infra.cli", *arguments],
        env=environment,
        cwd=project.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return Finished(done.returncode, done.stdout, done.stderr)


def preview(project: Project) -> tuple[list[Event], Path]:
    """The events of a preview as the caller gets them, and the file that the engine wrote of the same."""
    events: list[Event] = []
    result = project.run("preview", events=events)
    return events, result.event_log


def test_the_plan_is_previewed_to_the_cent_of_what_the_meter_bills(project: Project) -> None:
    """One life of the plan's fleet: previewed, brought up, billed for a day, grown by an A100, taken down."""
    project.write(FLEET, budget={"limit": "$200/day"})
    events, file = preview(project)
    plan = plan_of_events(events)
    assert project.launches() == 0
    for prices, hour, day, month in (
        (OF_THE_PLAN, "4.83", "115.92", "3477.60"),
        (DATED, "7.35", "176.40", "5292.00"),
    ):
        total = sum_rows(plan_rows(plan, prices))
        assert str(total.difference_usd_per_hour) == hour
        assert str(total.difference_usd_per_hour * 24) == day
        assert str(total.difference_usd_per_month) == month
    from_file = read_plan(file.read_text(encoding="utf-8"))
    assert set(from_file.changes) == set(plan.changes)
    report = build_report(from_file, DATED, terms_of_plan(from_file.config))
    assert report.budget is not None
    assert report.budget.percent(report.budget.after) == Decimal("88.2")

    project.up()
    assert_the_meter_agrees(project, report.totals.after_usd_per_hour, hours=24)

    project.write({**FLEET, "one-more": ONE_MORE}, budget={"limit": "$200/day"})
    grown = sophia(project, "preview", "--json")
    document = json.loads(grown.out)
    assert grown.code == ExitCode.OVER_BUDGET
    assert document["headline"] == "+$1.99/h (+$1,432.80/month) -> $9.34/h, 112 % of budget"
    assert document["totals"]["difference_usd_per_hour"] == "1.99"
    assert document["totals"]["before_usd_per_hour"] == project.usd_per_hour() == "7.35"
    assert {price["source"] for price in document["prices"]} == {
        "the Lambda Cloud emulator, GET /instance-types"
    }
    assert Decimal(document["budget"]["spent_usd"]) >= Decimal("7.35") * 24
    assert document["changes"]["create"] == 1
    project.up()
    assert_the_meter_agrees(project, Decimal(document["totals"]["after_usd_per_hour"]), hours=10)

    down = plan_of_state(export_stack(project.engine, "local", project.home), destroy=True)
    saved = sum_rows(plan_rows(down, DATED))
    assert (str(saved.difference_usd_per_hour), str(saved.difference_usd_per_month)) == ("-9.34", "-6724.80")
    shown = sophia(project, "preview", "--down", "--markdown")
    assert shown.code == ExitCode.OK
    assert "-$9.34/h (-$6,724.80/month)" in shown.out
    assert len(project.live()) == 6
    project.destroy()
    assert Decimal(project.usd_per_hour()) == 0


def assert_the_meter_agrees(project: Project, usd_per_hour: Decimal, hours: int) -> None:
    """Let exactly `hours` pass on the emulator's clock: the bill grows by rate times hours, to the cent."""
    assert Decimal(project.usd_per_hour()) == usd_per_hour
    with standing_clock(project):
        before = Decimal(project.cloud.dump()["billing"]["usd_total"])
        project.cloud.advance(hours * SECONDS_PER_HOUR)
        billed = Decimal(project.cloud.dump()["billing"]["usd_total"]) - before
    assert billed.quantize(Decimal("0.01")) == usd_per_hour * hours


@dataclass(frozen=True)
class StandingClock:
    """A clock that shows one time, so that only `Cloud.advance` moves the cloud's."""

    now_s: float

    def now(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        raise AssertionError("nothing waits while the clock stands")


@contextmanager
def standing_clock(project: Project) -> Iterator[None]:
    """At 600 times real time, two looks at the meter are minutes apart; with this they are not."""
    core = project.cloud.core
    running = core.clock
    core.clock = StandingClock(running.now())
    try:
        yield
    finally:
        core.clock = running


def test_a_preview_judges_quota_and_capacity_by_what_the_cloud_says_now(project: Project) -> None:
    project.write({"a": A10}, quota={"instances": 1, "per_type": {"1xA10": 1}})
    project.launch_by_hand("somebody-else", "gpu_1x_a6000", "us-south-1")
    project.cloud.set_capacity("gpu_1x_a10", "us-west-1", 0)

    refused = sophia(project, "preview")
    assert refused.code == ExitCode.OVER_QUOTA
    assert "Over quota: 2 instances; the account may run 1 (before: 1)." in refused.out
    assert "No capacity now: a needs 1xA10 in us-west-1." in refused.out

    project.write({"a": A10})
    none = sophia(project, "preview")
    assert none.code == ExitCode.NO_CAPACITY
    offline = sophia(project, "preview", "--offline-prices")
    assert offline.code == ExitCode.OK
    assert "Prices are dated because of --offline-prices" in offline.out
    assert "Prices of 2026-08-20" in offline.out
    assert project.launches() == 1


def test_a_replacement_is_previewed_with_its_overlap_and_its_order(project: Project) -> None:
    project.write({"a": A10, "b": {**A10, "replace_order": "terminate_first"}, "c": A10})
    project.up()
    project.write({"a": A6000, "b": {**A6000, "replace_order": "terminate_first"}, "c": A10})
    document = json.loads(sophia(project, "preview", "--json").out)
    rows = {row["name"]: row for row in document["rows"]}
    assert {name: row["replace_order"] for name, row in rows.items()} == {
        "a": "launch_first",
        "b": "terminate_first",
        "c": None,
    }
    assert (rows["a"]["overlap"]["usd_low"], rows["a"]["overlap"]["usd_high"]) == ("0.17", "0.24")
    assert (rows["b"]["overlap"]["usd_low"], rows["b"]["overlap"]["usd_high"]) == ("0.00", "0.00")
    assert document["totals"]["difference_usd_per_hour"] == "-0.40"
    assert document["by_region"]["us-south-1"]["instances_after"] == 2

    result = project.run("preview", OperationOptions(refresh=True))
    refreshed = read_plan(result.event_log.read_text(encoding="utf-8"))
    assert str(sum_rows(plan_rows(refreshed, DATED)).difference_usd_per_hour) == "-0.40"
