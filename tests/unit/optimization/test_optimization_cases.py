"""Precision and recall on labelled cases, printed; and no advice from what nobody measured well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from sophia_infra.cost.plan_figures import plan_figures
from sophia_infra.optimization.config import OptimizationConfig
from sophia_infra.optimization.overlap import choose, savings_of
from sophia_infra.optimization.recommendation import Kind
from tests.summary import SUMMARY_LINE
from tests.unit.optimization.cases import CASES, Labelled, noise
from tests.unit.optimization.facts import advise, fact, fleet, offers
from tests.unit.optimization.shapes import machine, office

BY_USAGE = frozenset({Kind.IDLE, Kind.SCHEDULE, Kind.RIGHTSIZE, Kind.CONSOLIDATE})


def found_kinds(case: Labelled) -> frozenset[Kind]:
    config = OptimizationConfig.model_validate(case.settings)
    machines = [fact("case", case.instance_type)]
    tracks = {} if case.tracks is None else {"case": case.tracks}
    if case.beside is not None:
        instance_type, beside = case.beside
        machines.append(fact("beside", instance_type))
        tracks["beside"] = beside
    found = advise(fleet(*machines), tracks, config)
    return frozenset(one.kind for one in found if one.subject == "case") & BY_USAGE


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_case_gets_the_advice_of_its_label(case: Labelled) -> None:
    assert found_kinds(case) == case.wants


def test_precision_and_recall_over_all_cases(record_property: Callable[[str, object], None]) -> None:
    assert len(CASES) >= 20
    counts: Counter[str] = Counter()
    for case in CASES:
        found = found_kinds(case)
        counts["right"] += len(found & case.wants)
        counts["wrong"] += len(found - case.wants)
        counts["missed"] += len(case.wants - found)
    precision = counts["right"] / (counts["right"] + counts["wrong"])
    recall = counts["right"] / (counts["right"] + counts["missed"])
    record_property(
        SUMMARY_LINE,
        f"cost advice: {len(CASES)} labelled cases, {counts['right']} right, {counts['wrong']} wrong, "
        f"{counts['missed']} missed: precision {precision:.2f}, recall {recall:.2f}",
    )
    assert precision == 1.0
    assert recall >= 0.95


REGIONS = {
    "sophia-ai-core": "us-east-3",
    "sophia-mcp-orchestrator": "us-south-1",
    "sophia-data-pipeline": "us-south-1",
    "sophia-production": "us-south-1",
    "sophia-development": "us-west-1",
}
GPU_GIB = {
    "gpu_1x_gh200": 60.0,
    "gpu_1x_a6000": 30.0,
    "gpu_1x_a100": 24.0,
    "gpu_1x_rtx6000": 14.0,
    "gpu_1x_a10": 10.0,
}


def test_the_plans_fleet_at_its_own_utilisation_saves_less_than_the_plan_adds(
    record_property: Callable[[str, object], None],
) -> None:
    """The plan promises another 15 to 25 %: of its own fleet, used as it says, one machine has hours off."""
    machines, tracks = [], {}
    for one in plan_figures().fleet:
        machines.append(
            fact(one.name, one.type, region=REGIONS[one.name], always_on=one.always_on, protected=True)
        )
        is_office = one.name == "sophia-development"
        low, high = one.utilisation_percent - 15, one.utilisation_percent + 15
        tracks[one.name] = machine(
            office(70.0) if is_office else noise(low, high),
            gpu_gib=GPU_GIB[one.type],
            cpu=15.0,
            requests=0.0 if is_office else 1.0,
            zone="America/New_York",
        )
    everywhere = {name: replace(offer, regions=tuple(REGIONS.values())) for name, offer in offers().items()}
    whole = fleet(*machines, offers=everywhere)
    config = OptimizationConfig(timezone="America/New_York")
    choice = choose(advise(whole, tracks, config))
    assert [(one.kind, one.subject) for one in choice.chosen] == [(Kind.SCHEDULE, "sophia-development")]
    saving, month = savings_of(choice.chosen, whole.worth), whole.usd_per_hour * 720
    share = saving.expected * 100 / month
    assert month == plan_figures().get("fleet-month-2026").honest
    assert 10 < share < 15
    record_property(
        SUMMARY_LINE,
        f"cost advice: the plan's fleet as it is used: ${saving.expected} of ${month} a month, {share:.1f} %",
    )
