"""A snapshot and its history as one HTML file that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined

from sophia_infra.cost.plan_figures import plan_figures
from sophia_infra.cost.words import percent_words
from sophia_infra.model.money import format_usd
from sophia_infra.reports import words
from sophia_infra.reports.history import History
from sophia_infra.reports.plots import Plot, plot_cost, plot_gpus, plot_inference
from sophia_infra.reports.snapshot import Snapshot

__all__ = ["render_report"]

_DAYS_IN_BUDGET: Final = 30
_OWNERS: Final = {
    "stack": "this stack",
    "training": "a training run of this stack",
    "orphan": "lost by this stack",
    "other": "another stack",
    "unknown": "nobody's",
}
_SECTIONS: Final = (
    ("headline", "Headline"),
    ("fleet", "Machines"),
    ("cost", "Dollars per day"),
    ("gpus", "GPUs"),
    ("inference", "Inference"),
    ("slo", "Objectives"),
    ("alerts", "Alerts"),
    ("plan", "Plan and honest figures"),
    ("unknown", "Not known"),
)


@dataclass(frozen=True, slots=True)
class _Plots:
    cost: Plot | None
    gpus: Plot | None
    inference: Plot | None


@dataclass(frozen=True, slots=True)
class _CostRow:
    day: date
    usd: Decimal
    words: str


def render_report(snapshot: Snapshot, history: History) -> str:
    """The page. The same snapshot and history give the same text.

    Raises:
        OutputRefused: matplotlib is not installed.
    """
    fleet, forecast = snapshot.fleet.value, snapshot.forecast.value
    machines = sorted(fleet.machines if fleet else (), key=lambda row: not row.is_stray)
    share = "?" if forecast is None else percent_words(snapshot.budget.percent(forecast.expected_usd))
    is_over = forecast is not None and forecast.expected_usd > snapshot.budget.usd_per_month
    judgement = "" if forecast is None else words.budget_words(snapshot, forecast)
    slos = snapshot.slo.value
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            snapshot=snapshot,
            history=history,
            sections=_SECTIONS,
            style=_page_file("style.css"),
            stray=words.stray_words(snapshot),
            rate=words.rate_words(snapshot),
            judgement="" if judgement == words.WITHIN_BUDGET else judgement,
            judgement_is_bad=is_over,
            forecast_share=share,
            fleet=fleet,
            machines=machines,
            owners=_OWNERS,
            month=snapshot.month.value,
            forecast=forecast,
            plots=_plots(snapshot, history),
            cost_rows=tuple(_cost_rows(snapshot, history)),
            inference=words.inference_words(snapshot.inference),
            slos=slos,
            slo_caption=""
            if slos is None
            else f"Calls over 30 days; {_precise(100 * slos.objective_ratio)} have to succeed",
            worst_days=_worst_days(history),
            plan=plan_figures(),
            unknowns=_unknowns(snapshot, history),
        )
    )


def _plots(snapshot: Snapshot, history: History) -> _Plots:
    forecast = snapshot.forecast.value
    past, ahead = history.cost.value or (), forecast.days if forecast else ()
    budget_usd_per_day = float(snapshot.budget.usd_per_month / _DAYS_IN_BUDGET)
    return _Plots(
        cost=plot_cost(past, ahead, budget_usd_per_day) if past or ahead else None,
        gpus=plot_gpus(history.gpus.value) if history.gpus.value else None,
        inference=plot_inference(history.inference.value) if history.inference.value else None,
    )


def _cost_rows(snapshot: Snapshot, history: History) -> Iterator[_CostRow]:
    forecast = snapshot.forecast.value
    ahead = [row for row in forecast.days if row.is_ahead] if forecast else []
    first_ahead = ahead[0].day if ahead else date.max
    for day in history.cost.value or ():
        if day.day < first_ahead:
            yield _CostRow(day.day, day.usd, "spent" if day.is_whole else "spent, as far as watched")
    for row in ahead:
        text, interval = "expected", row.interval_80
        if interval is not None:
            text += f"; 80 %: {format_usd(interval.low_usd)} to {format_usd(interval.high_usd)}"
        yield _CostRow(row.day, row.usd, text)


def _worst_days(history: History) -> dict[tuple[str, str, str], str]:
    found = {}
    for row in history.slo.value or ():
        day, ratio = row.worst
        if ratio < 1:
            found[(row.slo, row.namespace, row.service)] = f"{day}: {_precise(100 * ratio)}"
    return found


def _unknowns(snapshot: Snapshot, history: History) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = dict(snapshot.unknowns())
    figures = (
        ("dollars per day", history.cost),
        ("inference dollars per day", history.inference),
        ("GPU utilisation by day", history.gpus),
        ("objectives by day", history.slo),
    )
    for name, figure in figures:
        if not figure.is_known:
            found[figure.missing] = (*found.get(figure.missing, ()), name)
    return tuple(found.items())


def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_page_file),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Any] = {
        "usd": format_usd,
        "small_usd": words.usd_words,
        "utc": words.utc_words,
        "percent": lambda percent: f"{percent:.0f} %",
        "precise_percent": _precise,
        "is_web": lambda address: address.startswith(("https://", "http://")),
        "moment": _moment,
    }
    environment.filters.update(filters)
    return environment


def _precise(percent: float) -> str:
    return f"{percent:.3f}".rstrip("0").rstrip(".") + " %"


def _moment(since: str) -> str:
    """Prometheus' nanoseconds are of no use to a reader."""
    return re.sub(r"T(\d\d:\d\d:\d\d).*", r" \1 UTC", since)


def _page_file(name: str) -> str:
    return (resources.files("sophia_infra.reports") / "page" / name).read_text(encoding="utf-8")
