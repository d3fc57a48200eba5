"""The plan's table, a scenario and a return: for people on a terminal, and as documents."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from sophia_infra.cli.views import make_console, print_table
from sophia_infra.cost.plan_figures import plan_figures
from sophia_infra.cost.roi import PLAN_PERCENT, Return, most_investment, return_on
from sophia_infra.model.money import HOURS_PER_MONTH, format_usd

if TYPE_CHECKING:
    from rich.console import Console

    from sophia_infra.cost.plan_table import PlanTable, Side
    from sophia_infra.cost.scenario import Line, ScenarioCost

__all__ = ["plan_document", "return_document", "show_plan", "show_return"]


def plan_document(
    table: PlanTable,
    scenario: ScenarioCost | None,
    investment_usd: Decimal | None,
    plot: Path | None,
    *,
    with_figures: bool,
) -> dict[str, Any]:
    """One document; `roi` is null without an investment, and `most_investment` says what it could be."""
    document = {
        "hours_per_month": HOURS_PER_MONTH,
        **table.as_json(),
        "scenario": None if scenario is None else scenario.as_json(),
        "roi": None if investment_usd is None else return_document(table, scenario, investment_usd),
        "most_investment_usd": {
            name: str(most_investment(side.saving_usd_per_year)) for name, side in _sides(table, None)
        },
        "plot": None if plot is None else str(plot),
    }
    if with_figures:
        figures = plan_figures()
        document["figures"] = [row.as_json() for row in figures.all_rows]
        document["unproved"] = [{"item": item, "note": note} for item, note in figures.unproved]
    return document


def return_document(
    table: PlanTable, scenario: ScenarioCost | None, investment_usd: Decimal
) -> dict[str, Any]:
    """The return by each saving."""
    return {name: one.as_json() for name, one in _returns(table, scenario, investment_usd)}


def show_plan(
    table: PlanTable,
    scenario: ScenarioCost | None,
    investment_usd: Decimal | None,
    plot: Path | None,
    *,
    with_figures: bool,
) -> None:
    """Both tables, why they differ, and what follows."""
    console = make_console()
    print_table(console, _both(table), least=("Honest: worth", "%", "saved"))
    console.print()
    for reason in table.reasons:
        console.print(Text(reason), soft_wrap=True)
    for row in table.rows:
        console.print(Text(f"{row.component}: {row.reason}"), soft_wrap=True)
    console.print(Text(f"Honest figures: {table.prices}. A month has {HOURS_PER_MONTH} h."), soft_wrap=True)
    if scenario is not None:
        console.print()
        _show_scenario(console, scenario)
    console.print()
    if investment_usd is None:
        plan_usd, honest_usd = (most_investment(side.saving_usd_per_year) for _, side in _sides(table, None))
        console.print(
            Text(
                "Return: not said, because the plan states no investment; give --investment. For its "
                f"{PLAN_PERCENT} % net in a year it may be at most {format_usd(plan_usd)} by the plan's "
                f"saving, {format_usd(honest_usd)} by the honest one."
            ),
            soft_wrap=True,
        )
    else:
        console.print(_returns_table(table, scenario, investment_usd))
    if with_figures:
        console.print()
        _show_figures(console)
    if plot is not None:
        console.print(f"Drawn: {plot}", soft_wrap=True)


def show_return(table: PlanTable, scenario: ScenarioCost | None, investment_usd: Decimal) -> None:
    """The return by each saving."""
    console = make_console()
    console.print(_returns_table(table, scenario, investment_usd))
    console.print(f"The plan promises {PLAN_PERCENT} % or more in the first year.")


def _both(table: PlanTable) -> Table:
    shown = Table(show_footer=True, pad_edge=False, box=None)
    shown.add_column("Component, $ a month", footer="Total")
    for title, side in (("Plan", table.plan), ("Honest", table.honest)):
        shown.add_column(f"{title} before", justify="right", footer=format_usd(side.before_usd), no_wrap=True)
        shown.add_column("after", justify="right", footer=format_usd(side.after_usd), no_wrap=True)
        shown.add_column("saved", justify="right", footer=format_usd(side.saving_usd), no_wrap=True)
        decimals = 0 if title == "Plan" else 1
        shown.add_column("%", justify="right", footer=side.percent_text(decimals), no_wrap=True)
    shown.add_column("Honest: worth", justify="right", no_wrap=True)
    for row in table.rows:
        worth = format_usd(row.worth_usd)
        shown.add_row(
            row.component,
            *_cells(row.plan, 0),
            *_cells(row.honest, 1),
            f"{worth}, counted in the fleet" if row.is_counted_elsewhere else worth,
        )
    shown.add_row("A year", *_year_cells(table.plan), *_year_cells(table.honest), "")
    return shown


def _cells(side: Side, decimals: int) -> tuple[str, str, str, str]:
    dollars = (format_usd(usd) for usd in (side.before_usd, side.after_usd, side.saving_usd))
    before, after, saved = dollars
    return before, after, saved, side.percent_text(decimals)


def _year_cells(side: Side) -> tuple[str, str, str, str]:
    return (
        format_usd(side.before_usd * 12),
        format_usd(side.after_usd * 12),
        format_usd(side.saving_usd_per_year),
        "",
    )


def _show_scenario(console: Console, scenario: ScenarioCost) -> None:
    console.print(Text("The scenario, $ a month:", "bold"))
    shown = Table(pad_edge=False, box=None)
    shown.add_column("")
    shown.add_column("What")
    shown.add_column("$", justify="right", no_wrap=True)
    shown.add_column("How")
    for title, lines in (("before", scenario.before), ("after", scenario.after)):
        _add_lines(shown, title, lines)
    total = scenario.total
    console.print(shown)
    console.print(
        Text(
            f"{format_usd(total.before_usd)} before, {format_usd(total.after_usd)} after: "
            f"{format_usd(total.saving_usd)} a month, {total.percent_text(1)}, "
            f"{format_usd(total.saving_usd_per_year)} a year. {scenario.prices}."
        ),
        soft_wrap=True,
    )


def _add_lines(shown: Table, title: str, lines: tuple[Line, ...]) -> None:
    for line in lines:
        shown.add_row(title, Text(line.name), format_usd(line.usd_per_month), Text(line.formula))


def _sides(table: PlanTable, scenario: ScenarioCost | None) -> list[tuple[str, Side]]:
    found = [("plan", table.plan), ("honest", table.honest)]
    return found if scenario is None else [*found, ("scenario", scenario.total)]


def _returns(
    table: PlanTable, scenario: ScenarioCost | None, investment_usd: Decimal
) -> list[tuple[str, Return]]:
    return [(name, return_on(investment_usd, side.saving_usd)) for name, side in _sides(table, scenario)]


def _returns_table(table: PlanTable, scenario: ScenarioCost | None, investment_usd: Decimal) -> Table:
    shown = Table(
        title=f"Return on {format_usd(investment_usd)} in the first year",
        title_justify="left",
        pad_edge=False,
        box=None,
    )
    shown.add_column("By the saving of")
    for heading in ("Saved in the year", "Net", "Gross", "Earned back after"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for name, one in _returns(table, scenario, investment_usd):
        payback = "never" if one.payback_months is None else f"{one.payback_months} months"
        shown.add_row(
            name,
            format_usd(one.saved_usd),
            f"{one.net_percent:.1f} %",
            f"{one.gross_percent:.1f} %",
            payback,
        )
    return shown


def _show_figures(console: Console) -> None:
    figures = plan_figures()
    shown = Table(pad_edge=False, box=None)
    shown.add_column("Figure", overflow="fold")
    shown.add_column("Plan", justify="right", no_wrap=True)
    shown.add_column("Honest", justify="right", no_wrap=True)
    shown.add_column("Formula", overflow="fold")
    shown.add_column("Note", overflow="fold")
    for row in figures.all_rows:
        shown.add_row(Text(row.item), row.plan_text, row.honest_text, Text(row.formula), Text(row.note))
    console.print(shown)
    for item, note in figures.unproved:
        console.print(Text(f"{item}: {note}"), soft_wrap=True)
    console.print(Text(figures.source), soft_wrap=True)
