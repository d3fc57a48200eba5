"""A stack whose budget includes training refuses a run whose cap does not fit into what the month leaves."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.provider.run_tags import RunTags, node_owner
from sophia_infra.provider.tags import LaunchKey
from sophia_infra.training import month_budget
from sophia_infra.training.errors import CapRefused, RecordUnusable
from sophia_infra.training.month_budget import MonthBudget, usd_of_runs
from sophia_infra.training.run_state import MachineRecord, RunState
from tests.unit.operations.machines import machine
from tests.unit.training.command_site import RUN, Site
from tests.unit.training.ground import STACK, Ground

JUNE_1_S = datetime.fromisoformat("2026-06-01T00:00:00+00:00").timestamp()
HOUR_S, DAY_S = 3600.0, 86_400.0
dollars = st.decimals(0, 20_000, places=2)


@given(dollars, dollars, dollars, dollars)
def test_a_cap_is_refused_exactly_when_the_sum_would_be_above_the_limit(
    limit: Decimal, fleet: Decimal, runs: Decimal, cap: Decimal
) -> None:
    month = MonthBudget(limit, fleet, runs)
    if cap and fleet + runs + cap > limit:
        with pytest.raises(CapRefused, match="Nothing was launched"):
            month.check("trainer", cap)
    else:
        month.check("trainer", cap)


def ended(usd_per_hour: int, from_s: float, to_s: float) -> RunState:
    one = MachineRecord(
        "a" * 32, 1, "gpu_1x_a10", "us-east-1", Decimal(usd_per_hour), from_s, ended_at_s=to_s
    )
    return RunState(phase="ended", outcome="done", machines={"a": one}, ended_at_s=to_s)


def test_an_open_run_takes_its_cap_and_one_that_ended_in_this_month_its_bill(ground: Ground) -> None:
    now_s = JUNE_1_S + 10 * DAY_S

    def record(run_id: str, began_s: float, state: RunState, **more: Any) -> None:
        ground.new_run(run_id=run_id, began_s=began_s, **more).write_state(state)

    record("open", now_s - HOUR_S, RunState(phase="running"), max_usd=Decimal(1000))
    record("this-month", JUNE_1_S, ended(10, JUNE_1_S, JUNE_1_S + 2 * HOUR_S))
    record("over-midnight", JUNE_1_S - HOUR_S, ended(30, JUNE_1_S - HOUR_S, JUNE_1_S + HOUR_S))
    record("last-month", JUNE_1_S - 3 * HOUR_S, ended(700, JUNE_1_S - 3 * HOUR_S, JUNE_1_S - HOUR_S))
    record("of-others", now_s, RunState(), stack="sophia-infra/other", max_usd=Decimal(9000))
    assert usd_of_runs(ground.home, (), STACK, now_s) == 1000 + 20 + 60


def test_a_run_that_another_machine_started_counts_by_its_tags_once(ground: Ground) -> None:
    def node(number: int, run_id: str, stack: str = STACK) -> Any:
        tags = RunTags(stack, run_id, number, int(JUNE_1_S), Decimal(250))
        key = LaunchKey(node_owner(stack, run_id, number), 1, "0123456789abcdef")
        return machine(number, {**key.tags(JUNE_1_S), **tags.build(4)})

    ground.new_run(run_id="here", max_usd=Decimal(100), began_s=JUNE_1_S)
    listed = [
        node(1, "here"),
        node(1, "elsewhere"),
        node(2, "elsewhere"),
        node(1, "theirs", "sophia-infra/other"),
        machine(9),
    ]
    assert usd_of_runs(ground.home, listed, STACK, JUNE_1_S) == 100 + 250


def test_a_record_that_cannot_be_read_leaves_the_sum_unknown(ground: Ground) -> None:
    folder = ground.new_run(run_id="broken")
    for file in folder.path.glob("*.json"):
        file.write_text("{")
    with pytest.raises(RecordUnusable):
        usd_of_runs(ground.home, (), STACK, JUNE_1_S)


def set_budget(site: Site, limit: str, **more: Any) -> None:
    file = site.root / "project" / "Pulumi.local.yaml"
    document = yaml.safe_load(file.read_text())
    document["config"]["sophia:budget"] = {"limit": limit, **more}
    document["config"]["sophia:fleet"] = {
        "core": {"type": "1xA10", "region": "us-west-1", "purpose": "a fleet of $928.80 a month"}
    }
    file.write_text(yaml.safe_dump(document))


def test_a_run_that_does_not_fit_is_refused_before_a_record_is_made(site: Site) -> None:
    set_budget(site, "$1,500/month", includes_training=True)
    said = site.refused(CapRefused, *RUN, "--max-usd", "600", "--yes")
    assert "its cap of $600.00 is above the $571.20 that are left of this month's $1,500.00" in said
    assert "the fleet takes $928.80, other runs $0.00" in said
    site.refused(CapRefused, *RUN, "--max-usd", "600", "--dry-run")
    assert (site.runs, site.live()) == ([], [])
    assert site(*RUN, "--max-usd", "571", "--dry-run").exit_code == 0


def test_a_budget_that_does_not_say_so_leaves_each_run_its_own_cap(site: Site) -> None:
    set_budget(site, "$1,500/month")
    assert site(*RUN, "--max-usd", "600", "--dry-run").exit_code == 0


def test_of_two_that_are_started_at_once_only_what_fits_begins(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one begins while this one waits for its yes: it is looked for again under the lock."""
    set_budget(site, "$1,500/month", includes_training=True)
    looks: list[Decimal] = []

    def other_began(*_: Any) -> Decimal:
        looks.append(Decimal(len(looks)) * 300)
        return looks[-1]

    monkeypatch.setattr(month_budget, "usd_of_runs", other_began)
    said = site.refused(CapRefused, *RUN, "--max-usd", "400", "--yes")
    assert "$271.20 that are left" in said
    assert looks == [0, 300]
    assert (site.runs, site.live()) == ([], [])
