"""Budget, quota and capacity: exactly at a limit is within, and every moment of an update counts."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from sophia_infra.cli.cost_output import cost_exit_code
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cost import (
    BudgetTerms,
    CostReport,
    LiveFacts,
    QuotaTerms,
    RunningMachine,
    StackTerms,
    build_report,
    plan_rows,
    spent_this_month,
    words,
)
from sophia_infra.cost.judgement import check_quota
from sophia_infra.engine.events import Step
from sophia_infra.model.money import parse_rate
from tests.unit.cost.cost_plans import DATED, create, delete, fleet_of_the_plan, keep, plan_of, replace, terms

A10, A6000 = ("gpu_1x_a10", "us-west-1"), ("gpu_1x_a6000", "us-west-1")
NOON = datetime(2026, 9, 21, 12, tzinfo=UTC).timestamp()


def report_of(
    *steps: Step | list[Step],
    limit: str | None = None,
    quota: QuotaTerms | None = None,
    live: LiveFacts | None = None,
) -> CostReport:
    budget = BudgetTerms(parse_rate(limit), 80, "test") if limit else None
    return build_report(plan_of(*steps), DATED, StackTerms(budget=budget, quota=quota), live)


@pytest.mark.parametrize(
    ("limit", "is_over", "is_alert", "percent"),
    [
        ("$7.35/h", False, True, "100 %"),
        ("$7.34/h", True, True, "just over 100 %"),
        ("$7.36/h", False, True, "just under 100 %"),
        ("$176.40/day", False, True, "100 %"),
        ("$5,292.00/month", False, True, "100 %"),
        ("$3,600/month", True, True, "147 %"),
        ("$200/day", False, True, "88 %"),
        ("$500/day", False, False, "35 %"),
    ],
)
def test_the_budget_compares_in_its_own_period(
    limit: str, is_over: bool, is_alert: bool, percent: str
) -> None:
    report = report_of(fleet_of_the_plan(), limit=limit)
    assert report.budget is not None
    assert (report.budget.is_over, report.budget.is_alert) == (is_over, is_alert)
    assert words.percent_words(report.budget.percent(report.budget.after)) == percent
    assert cost_exit_code(report) == (ExitCode.OVER_BUDGET if is_over else ExitCode.OK)


def test_the_budget_is_judged_by_the_dearest_fallbacks_too_and_both_are_shown() -> None:
    report = report_of(create("a", *A10, fallbacks=[{"type": "gpu_1x_a100"}]), limit="$1.50/h")
    assert report.budget is not None
    assert (report.budget.is_over, report.budget.is_over_at_worst) == (False, True)
    assert cost_exit_code(report) == ExitCode.OVER_BUDGET
    assert words.headline(report) == (
        "+$1.29/h (+$928.80/month) -> $1.29/h, 86 % of budget (133 % with the dearest fallbacks)"
    )
    assert words.findings(report) == [
        "Over budget if the dearest fallbacks are taken: $1.99/h is 133 % of $1.50/h."
    ]


def test_hours_to_the_budget() -> None:
    budget = report_of(fleet_of_the_plan(), limit="$200/day").budget
    assert budget is not None
    assert (str(budget.hours_per_period), str(budget.hours_left)) == ("27.2", "816.3")
    down = report_of(fleet_of_the_plan("delete"), limit="$200/day").budget
    assert down is not None
    assert (down.hours_per_period, down.hours_left) == (None, None)


def test_what_is_spent_shortens_the_month() -> None:
    spent = spent_this_month([RunningMachine("a", Decimal("1.29"), int(NOON) - 3600)], NOON)
    report = report_of(keep("a"), limit="$2.58/month", live=LiveFacts(spent=spent))
    assert report.budget is not None
    assert str(report.budget.hours_left) == "1.0"
    assert "$1.29 spent since 2026-09-01" in " ".join(words.budget_lines(report))
    unasked = report_of(keep("a"), limit="$2.58/month")
    assert "lasts 2.0 h at this rate, counted from now" in " ".join(words.budget_lines(unasked))
    nothing_left = report_of(keep("a"), limit="$1.00/month", live=LiveFacts(spent=spent)).budget
    assert nothing_left is not None
    assert str(nothing_left.hours_left) == "0.0"


def test_spending_counts_started_minutes_of_this_month() -> None:
    machines = [
        RunningMachine("a minute and a second", Decimal(60), int(NOON) - 61),
        RunningMachine("since August", Decimal(1), int(NOON) - 60 * 86_400),
        RunningMachine("from the future", Decimal(1), int(NOON) + 60),
        RunningMachine("adopted", Decimal(1), None),
    ]
    spent = spent_this_month(machines, NOON)
    hours_of_september = 20 * 24 + 12
    assert spent.usd == Decimal(2) + 2 * hours_of_september
    assert spent.since == datetime(2026, 9, 1, tzinfo=UTC)
    assert spent.unknown == ("adopted",)


@pytest.mark.parametrize(
    ("quota", "over"),
    [
        (QuotaTerms(), []),
        (QuotaTerms(instances=2, gpus=9, per_type={"gpu_1x_a10": 1, "gpu_8x_h100_sxm5": 1}), []),
        (QuotaTerms(instances=1), ["instances"]),
        (QuotaTerms(gpus=8), ["gpus"]),
        (QuotaTerms(per_type={"gpu_8x_h100_sxm5": 0}), ["gpu_8x_h100_sxm5"]),
        (QuotaTerms(instances=1, gpus=8, per_type={"gpu_1x_a10": 0}), ["instances", "gpus", "gpu_1x_a10"]),
    ],
)
def test_every_stated_limit_of_the_account_is_checked(quota: QuotaTerms, over: list[str]) -> None:
    report = report_of(keep("a"), create("b", "gpu_8x_h100_sxm5", "us-east-3"), quota=quota)
    assert [check.what for check in report.over_quota] == over
    assert cost_exit_code(report) == (ExitCode.OVER_QUOTA if over else ExitCode.OK)
    assert len([text for text in words.findings(report) if text.startswith("Over quota")]) == len(over)


def test_machines_of_others_in_the_account_take_their_part_of_the_quota() -> None:
    live = LiveFacts(others={"gpu_1x_a10": 2})
    report = report_of(create("a"), quota=QuotaTerms(instances=2), live=live)
    (check,) = report.over_quota
    assert (check.before, check.after, check.limit) == (2, 3, 2)


def test_a_replacement_needs_room_for_both_unless_the_old_one_goes_first() -> None:
    for first, peak in (("launch", 2), ("terminate", 1)):
        report = report_of(replace("a", A10, A6000, first=first), quota=QuotaTerms(instances=1))
        (check,) = report.quota
        assert (check.after, check.peak, check.is_over) == (1, peak, peak > 1)
        said = " ".join(words.findings(report))
        assert ("Over quota during the update: 2 instances at once" in said) == (peak > 1)


def test_a_machine_under_a_new_name_needs_room_beside_the_old_one() -> None:
    """The engine deletes last, so moving a machine to another name is a launch first."""
    report = report_of(delete("old"), create("new"), quota=QuotaTerms(instances=1))
    assert [check.peak for check in report.over_quota] == [2]


def test_keeping_what_is_there_never_breaks_a_peak() -> None:
    rows = plan_rows(plan_of(keep("a"), delete("b")), DATED)
    (check,) = check_quota(QuotaTerms(instances=1), rows)
    assert (check.before, check.after, check.peak, check.is_over) == (2, 1, 2, False)


@pytest.mark.parametrize(
    ("capacity", "code", "said"),
    [
        ({"gpu_1x_a10": ["us-west-1"]}, ExitCode.OK, []),
        (
            {"gpu_1x_a10": ["us-east-3"]},
            ExitCode.NO_CAPACITY,
            ["No capacity now: a needs 1xA10 in us-west-1."],
        ),
        (None, ExitCode.OK, []),
    ],
)
def test_no_capacity_now_is_said(
    capacity: dict[str, list[str]] | None, code: ExitCode, said: list[str]
) -> None:
    report = report_of(create("a"), live=LiveFacts(capacity=capacity))
    assert cost_exit_code(report) == code
    assert words.findings(report) == said
    notes = " ".join(words.notes(report))
    assert ("Capacity was not asked for" in notes) == (capacity is None)


def test_of_several_the_smallest_code_wins_and_all_are_said() -> None:
    live = LiveFacts(capacity={})
    everything = report_of(create("a"), limit="$1/h", quota=QuotaTerms(instances=0), live=live)
    assert cost_exit_code(everything) == ExitCode.OVER_BUDGET
    assert [text.split(":")[0] for text in words.findings(everything)] == [
        "Over budget",
        "Over quota",
        "No capacity now",
    ]
    assert [ExitCode.OVER_BUDGET.value, ExitCode.OVER_QUOTA.value, ExitCode.NO_CAPACITY.value] == [2, 3, 4]
    two = report_of(create("a"), quota=QuotaTerms(instances=0), live=live)
    assert cost_exit_code(two) == ExitCode.OVER_QUOTA
    assert cost_exit_code(report_of(create("a"), live=live)) == ExitCode.NO_CAPACITY


def test_the_phase_in_force_says_which_machines_are_wanted() -> None:
    known = terms({"a": 1, "b": 2, "c": 3})
    assert known.wanted == {"a", "b", "c"}
    assert StackTerms(phase=2, machines=known.machines).wanted == {"a", "b"}
    assert StackTerms(machines=known.machines).wanted == frozenset()
