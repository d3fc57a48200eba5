"""`sophia cost plan`, `roi` and `forecast`: the plan's figures, an investment, and the month's end.

`sophia cost plan` is the plan's `analyze_costs.py`. It asks no cloud; only `forecast` does.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sophia_infra.cost.scenario import Scenario, ScenarioCost

__all__ = ["add_cost_plan_commands"]

ScenarioFile = Annotated[
    Path | None,
    typer.Option("--scenario", metavar="FILE", help="YAML with other prices, machines, hours and tokens."),
]
Investment = Annotated[
    str | None,
    typer.Option("--investment", metavar="USD", help='What the change costs once, work included: "$12,000".'),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Prometheus = Annotated[
    str | None, typer.Option("--prometheus", metavar="URL", help="Whose history says how much days differ.")
]


def add_cost_plan_commands(app: typer.Typer) -> None:
    """Register the three commands with the group `cost`."""
    app.command("plan")(plan)
    app.command("roi")(roi)
    app.command("forecast")(forecast)


def plan(
    scenario: ScenarioFile = None,
    investment: Investment = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw it too: .svg or .png.")
    ] = None,
    figures: Annotated[
        bool, typer.Option("--figures", help="Every figure of the plan with its formula and source.")
    ] = False,
    as_json: Json = False,
) -> None:
    """The plan's cost table and the honest one side by side, with the reason for every difference."""
    from sophia_infra.cli.cost_plan_views import plan_document, show_plan
    from sophia_infra.cost.plan_plot import check_plot_path, plot_plan_table
    from sophia_infra.cost.plan_table import build_plan_table

    if plot is not None:
        check_plot_path(plot)
    loaded, priced = _scenario(scenario)
    stated = _investment(investment, loaded)
    table = build_plan_table()
    if plot is not None:
        plot_plan_table(plot, table, None if priced is None else priced.total)
    if as_json:
        import json

        print(json.dumps(plan_document(table, priced, stated, plot, with_figures=figures), indent=2))
    else:
        show_plan(table, priced, stated, plot, with_figures=figures)


def roi(scenario: ScenarioFile = None, investment: Investment = None, as_json: Json = False) -> None:
    """What a stated investment brings back in a year, by the plan's saving and by the honest one."""
    from sophia_infra.cli.cost_plan_views import return_document, show_return
    from sophia_infra.cost.plan_table import build_plan_table
    from sophia_infra.cost.roi import require_investment

    loaded, priced = _scenario(scenario)
    table = build_plan_table()
    stated = require_investment(
        _investment(investment, loaded), table.plan.saving_usd_per_year, table.honest.saving_usd_per_year
    )
    if as_json:
        import json

        print(json.dumps(return_document(table, priced, stated), indent=2))
    else:
        show_return(table, priced, stated)


def forecast(
    stack: Annotated[
        str, typer.Option("--stack", "-s", help="Stack: the file Pulumi.<stack>.yaml.")
    ] = "local",
    prometheus: Prometheus = None,
    as_json: Json = False,
) -> None:
    """What the stack's machines will have cost at the end of the month. Exit code: 2 over budget."""
    from sophia_infra.cli.cost_plan_forecast import run_forecast

    raise typer.Exit(int(run_forecast(stack, prometheus=prometheus, as_json=as_json)))


def _scenario(path: Path | None) -> tuple[Scenario | None, ScenarioCost | None]:
    if path is None:
        return None, None
    from sophia_infra.cost.scenario import load_scenario, price_scenario
    from sophia_infra.inference.catalogue import load_catalogue

    def token_price(model: str) -> tuple[Decimal, Decimal]:
        price = load_catalogue().find(model).price()
        return price.usd_per_million_input, price.usd_per_million_output

    loaded = load_scenario(path)
    return loaded, price_scenario(loaded, token_price)


def _investment(text: str | None, scenario: Scenario | None) -> Decimal | None:
    """--investment before the scenario's."""
    if text is None:
        return None if scenario is None else scenario.investment
    from sophia_infra.model.errors import Refused
    from sophia_infra.model.money import parse_usd

    try:
        return parse_usd(text)
    except Refused as refused:
        raise Refused(f"--investment {text!r} {refused.message}", allowed=refused.allowed) from None
