"""What holds for every plan: parts make the whole, order says nothing, only Decimal, more costs more."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sophia_infra.cost import CostReport, CostRow, StackTerms, build_report, plan_rows, sum_rows
from sophia_infra.cost.document_building import build_document
from sophia_infra.cost.terms import BudgetTerms, QuotaTerms
from sophia_infra.cost.totals import Totals
from sophia_infra.engine.events import Step
from sophia_infra.model.catalogue import CATALOGUE, REGIONS
from sophia_infra.model.money import Rate
from tests.effort import examples
from tests.unit.cost.cost_plans import DATED, create, delete, keep, plan_of, replace, terms

FEW = settings(max_examples=examples(60), deadline=None)

machines = st.tuples(st.sampled_from(sorted(CATALOGUE)), st.sampled_from(sorted(REGIONS)))
fallbacks = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(sorted(CATALOGUE)), "region": st.sampled_from(sorted(REGIONS))}
    ),
    max_size=2,
)


@st.composite
def groups(draw: st.DrawFn) -> list[list[Step]]:
    """Up to eight resources, each with the steps that the engine reports for it."""
    found = []
    for number in range(draw(st.integers(0, 8))):
        name, machine = f"m{number}", draw(machines)
        kind = draw(st.sampled_from(["create", "adopt", "keep", "delete", "launch", "terminate"]))
        if kind == "create":
            found.append([create(name, *machine, fallbacks=draw(fallbacks))])
        elif kind == "adopt":
            found.append([create(name, *machine, adopt={"name": name})])
        elif kind == "keep":
            found.append([keep(name, *machine)])
        elif kind == "delete":
            found.append([delete(name, *machine)])
        else:
            found.append(replace(name, machine, draw(machines), first=kind, fallbacks=draw(fallbacks)))
    return found


def terms_for(found: list[list[Step]], phases: list[int]) -> StackTerms:
    """Phases for all but the last resource, which the file no longer has."""
    named = {f"m{at}": phases[at % len(phases)] for at in range(max(0, len(found) - 1))}
    return terms(
        named,
        budget=BudgetTerms(Rate(Decimal(200), "day"), 80, "test"),
        quota=QuotaTerms(5, 20, {"gpu_1x_a10": 1}),
    )


def report_of(found: list[list[Step]], phases: list[int] | None = None) -> CostReport:
    return build_report(plan_of(*found), DATED, terms_for(found, phases or [1, 2, 3]))


@FEW
@given(groups(), st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_the_parts_of_every_grouping_make_the_whole(found: list[list[Step]], phases: list[int]) -> None:
    report = report_of(found, phases)
    rows = sum((row.after_usd_per_hour for row in report.rows), Decimal(0))
    assert rows == report.totals.after_usd_per_hour
    for group in (report.grouped.by_phase, report.grouped.by_region, report.grouped.by_gpu):
        for field in dataclasses.fields(Totals):
            parts = sum((getattr(totals, field.name) for totals in group.values()), Decimal(0))
            assert parts == getattr(report.totals, field.name), field.name
        months = sum((totals.difference_usd_per_month for totals in group.values()), Decimal(0))
        assert months == report.totals.difference_usd_per_month


@FEW
@given(st.data())
def test_the_order_of_resources_changes_nothing(data: st.DataObject) -> None:
    found = data.draw(groups())
    report = report_of(found)
    shuffled = build_report(plan_of(*data.draw(st.permutations(found))), DATED, report.terms)
    assert shuffled == report


@FEW
@given(groups())
def test_after_is_before_and_the_difference(found: list[list[Step]]) -> None:
    report = report_of(found)
    parts: list[CostRow | Totals] = [*report.rows, report.totals]
    for part in parts:
        assert part.after_usd_per_hour == part.before_usd_per_hour + part.difference_usd_per_hour
    total = report.totals
    assert total.after_usd_per_month == total.before_usd_per_month + total.difference_usd_per_month
    assert total.after_usd_per_hour <= total.highest_usd_per_hour


@FEW
@given(groups(), machines, fallbacks)
def test_one_more_machine_never_lowers_the_bill(
    found: list[list[Step]], machine: tuple[str, str], choices: list[dict[str, str]]
) -> None:
    before = sum_rows(plan_rows(plan_of(*found), DATED))
    after = sum_rows(plan_rows(plan_of(*found, create("one-more", *machine, fallbacks=choices)), DATED))
    price = DATED.get(machine[0], "one-more").usd_per_hour
    assert price > 0
    assert after.after_usd_per_hour == before.after_usd_per_hour + price
    assert after.highest_usd_per_hour >= before.highest_usd_per_hour + price
    assert after.before_usd_per_hour == before.before_usd_per_hour


@FEW
@given(groups())
def test_no_float_is_anywhere_in_a_report_or_its_document(found: list[list[Step]]) -> None:
    report = report_of(found)
    kinds = {type(value) for value in values_in(report)}
    assert float not in kinds
    document = build_document(report, exit_code=0)
    assert {type(value) for value in values_in(document)} <= {str, int, bool, type(None)}
    for part in (report.totals, *report.rows):
        for name in dir(part):
            if "usd" in name and not callable(getattr(part, name)):
                assert type(getattr(part, name)) is Decimal, name


def values_in(value: Any) -> Iterator[Any]:
    """Every leaf below `value`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from values_in(getattr(value, field.name))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from values_in(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from values_in(inner)
    else:
        yield value
