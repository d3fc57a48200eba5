"""`sophia cost diff`: dollars from a file that the engine wrote. No engine; no cloud unless asked for."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from sophia_infra.cli.cost_plan import add_cost_plan_commands

if TYPE_CHECKING:
    from sophia_infra.cost.changes import Plan
    from sophia_infra.cost.terms import StackTerms

__all__ = ["cost_app"]

cost_app = typer.Typer(
    help="Dollars: of a plan, of the migration plan, of a month.", no_args_is_help=True, add_completion=False
)
add_cost_plan_commands(cost_app)


class PriceSource(StrEnum):
    """Where prices come from: the stack's cloud now, or one of the two dated books."""

    LIVE = "live"
    DATED = "2026-08-20"
    PLAN = "2025-07"


@cost_app.callback()
def _group() -> None:
    """Dollars: of a plan, of the migration plan, of a month."""


@cost_app.command()
def diff(
    from_json: Annotated[
        str,
        typer.Option(
            "--from-json",
            metavar="FILE",
            help="Output of `pulumi preview --json`, an event log, or a state export; - is stdin.",
        ),
    ],
    stack: Annotated[
        str | None,
        typer.Option("--stack", "-s", help="Judge by this stack's file, not by what the plan records."),
    ] = None,
    prices: Annotated[
        PriceSource, typer.Option("--prices", help="Whose prices; live asks the stack's cloud.")
    ] = PriceSource.DATED,
    budget: Annotated[
        str | None, typer.Option("--budget", help='Judge by this limit: "$200/day", "$2.29/h".')
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print a pull request comment.")] = False,
) -> None:
    """Dollars before, after, and the difference. Exit code: 2 over budget, 3 over quota, 4 no capacity."""
    from sophia_infra.cli.cost_output import print_cost
    from sophia_infra.cost.plan_file import read_plan
    from sophia_infra.cost.prices import Prices
    from sophia_infra.cost.report import LiveFacts, build_report
    from sophia_infra.model.price_book import PriceBook

    if as_json and as_markdown:
        raise typer.BadParameter("is another document than --json: ask for one.", param_hint="'--markdown'")
    plan = read_plan(_read(from_json))
    terms = _terms(plan, stack, budget)
    live = LiveFacts()
    notices: tuple[str, ...] = ()
    if prices is PriceSource.LIVE:
        from sophia_infra.cli.live_prices import ask_cloud
        from sophia_infra.cli.stack_context import open_stack

        answer = ask_cloud(open_stack(stack or "local"), plan)
        book, live, notices = answer.prices, answer.live, answer.notices
    else:
        book = Prices((PriceBook.plan() if prices is PriceSource.PLAN else PriceBook.fallback(),))
    report = build_report(plan, book, terms, live)
    raise typer.Exit(int(print_cost(report, as_json=as_json, as_markdown=as_markdown, notices=notices)))


def _terms(plan: Plan, stack: str | None, budget: str | None) -> StackTerms:
    """--stack before the plan's own configuration; --budget before either's."""
    from dataclasses import replace

    from sophia_infra.cost.terms import ALERT_PERCENT, BudgetTerms, terms_of_plan, terms_of_stack

    if stack is not None:
        from sophia_infra.cli.stack_context import open_stack

        context = open_stack(stack)
        terms = terms_of_stack(context.config, context.name, phase=context.prepared.phase)
    else:
        # A budget that the plan records wrongly is of no interest where another one is given.
        config = {key: text for key, text in plan.config.items() if budget is None or key != "sophia:budget"}
        terms = terms_of_plan(config)
    if budget is None:
        return terms
    from sophia_infra.model.errors import Refused
    from sophia_infra.model.money import parse_rate

    try:
        limit = parse_rate(budget)
    except Refused as refused:
        raise typer.BadParameter(f"{budget!r} {refused}", param_hint="--budget") from None
    return replace(terms, budget=BudgetTerms(limit, ALERT_PERCENT, "--budget"))


def _read(name: str) -> str:
    """The text of the file, or of stdin for `-`. Raises PlanUnreadable."""
    import sys
    from pathlib import Path

    from sophia_infra.cost.errors import PlanUnreadable
    from sophia_infra.cost.plan_file import MAX_PLAN_BYTES

    try:
        if name == "-":
            raw = sys.stdin.buffer.read(MAX_PLAN_BYTES + 1)
        else:
            with Path(name).open("rb") as stream:
                raw = stream.read(MAX_PLAN_BYTES + 1)
    except OSError as error:
        raise PlanUnreadable(
            f"{name} cannot be read: {error.strerror}.", next_step="check the name."
        ) from None
    if len(raw) > MAX_PLAN_BYTES:
        raise PlanUnreadable(
            f"The plan has more than {MAX_PLAN_BYTES // 1024**2} MiB.", next_step="give the right file."
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PlanUnreadable(
            "The plan is not UTF-8 text.", next_step="give the file as the engine wrote it."
        ) from None
