"""One wording of the figures for terminal and page. A figure that is not known reads `?`, never 0."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from sophia_infra.cost.forecast import MonthForecast
from sophia_infra.cost.words import percent_words
from sophia_infra.model.money import HOURS_PER_DAY, format_usd
from sophia_infra.reports.figures import Figure
from sophia_infra.reports.inference_facts import Inference
from sophia_infra.reports.snapshot import Snapshot

__all__ = [
    "UNKNOWN",
    "WITHIN_BUDGET",
    "age_words",
    "budget_words",
    "forecast_words",
    "headline",
    "inference_words",
    "month_words",
    "rate_words",
    "stray_words",
    "usd_words",
    "utc_words",
]

UNKNOWN = "?"
WITHIN_BUDGET = "The month is expected within its budget."
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_SMALL = Decimal("0.01")


def headline(snapshot: Snapshot) -> str:
    """What runs and costs, in one line."""
    return f"{rate_words(snapshot)}; {month_words(snapshot)}; {forecast_words(snapshot)}"


def rate_words(snapshot: Snapshot) -> str:
    """`5 machines at $7.35/h ($176.40/day)`."""
    usd, fleet = snapshot.usd_per_hour, snapshot.fleet.value
    if usd is None or fleet is None:
        return f"{UNKNOWN} machines at {UNKNOWN} $/h"
    count = len(fleet.of("stack", "orphan"))
    noun = "machine" if count == 1 else "machines"
    return f"{count} {noun} at {format_usd(usd)}/h ({format_usd(usd * HOURS_PER_DAY)}/day)"


def month_words(snapshot: Snapshot) -> str:
    """`$1,204.11 this month`; `at least` where machines may have ended unseen."""
    month = snapshot.month.value
    if month is None:
        return f"{UNKNOWN} $ this month"
    return f"{'' if month.is_complete else 'at least '}{format_usd(month.usd)} this month"


def forecast_words(snapshot: Snapshot) -> str:
    """`forecast $5,292.00 of a budget of $6,000.00 (88 %)`, with the 80 % interval where there is one."""
    forecast, budget = snapshot.forecast.value, snapshot.budget
    if forecast is None:
        return f"forecast {UNKNOWN} $ of a budget of {format_usd(budget.usd_per_month)}"
    text = f"forecast {format_usd(forecast.expected_usd)}"
    interval = forecast.interval_80
    if interval is not None:
        text += f" (80 %: {format_usd(interval.low_usd)} to {format_usd(interval.high_usd)})"
    share = percent_words(budget.percent(forecast.expected_usd))
    return f"{text}, {share} of the budget of {format_usd(budget.usd_per_month)}"


def budget_words(snapshot: Snapshot, forecast: MonthForecast) -> str:
    """A judgement in one sentence."""
    limit = snapshot.budget.usd_per_month
    interval = forecast.interval_80
    if forecast.spent_usd > limit:
        return "The month's budget is spent."
    if forecast.expected_usd > limit:
        return "At the present rate the month ends above its budget."
    if interval is not None and interval.high_usd > limit:
        return "The month is expected within its budget, but may end above it."
    if snapshot.budget.percent(forecast.expected_usd) >= snapshot.budget.alert_percent:
        percent = snapshot.budget.alert_percent
        return f"The month is expected within its budget, above the {percent} % from which to warn."
    return WITHIN_BUDGET


def stray_words(snapshot: Snapshot) -> str:
    """What costs money and is in no stack file; empty when nothing does."""
    strays = snapshot.strays
    if not strays:
        return ""
    usd = sum((machine.usd_per_hour for machine in strays), Decimal(0))
    noun, runs = ("machine", "costs") if len(strays) == 1 else ("machines", "cost")
    return (
        f"{len(strays)} {noun} of no stack file {runs} {format_usd(usd)}/h. "
        "`sophia instances` lists them; `sophia doctor --terminate ID` ends one that no state holds."
    )


def inference_words(inference: Inference) -> tuple[tuple[str, str, Figure[object]], ...]:
    """(name, value, figure) of each figure of inference."""
    backends = inference.backends.value
    ready = UNKNOWN if backends is None else f"{backends.ready} of {backends.total}"
    usd = inference.usd_per_hour.value
    return (
        ("Calls", _unit(inference.calls_per_s.value, "/s"), inference.calls_per_s),
        ("p95", _unit(inference.p95_s.value, " s"), inference.p95_s),
        ("First token p95", _unit(inference.first_token_p95_s.value, " s"), inference.first_token_p95_s),
        ("Dollars", UNKNOWN if usd is None else f"{usd_words(usd)}/h", inference.usd_per_hour),
        ("Queue", _whole(inference.queue_length.value), inference.queue_length),
        ("Fullest budget", _ratio(inference.budget_use_ratio.value), inference.budget_use_ratio),
        ("Backends ready", ready, inference.backends),
    )


def usd_words(usd: Decimal) -> str:
    """Dollars with cents; below a cent with six decimals, as single calls cost."""
    return format_usd(usd) if usd >= _SMALL or not usd else f"${usd:.6f}"


def age_words(seconds: float) -> str:
    """`3 s`, `4 min`, `2 h`, `5 d`; clocks that differ a little give `0 s`."""
    seconds = max(0.0, seconds)
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.0f} h" if seconds < 2 * _DAY else f"{seconds / _DAY:.0f} d"


def utc_words(at_s: float) -> str:
    """`2026-11-28 09:30:00 UTC`."""
    return datetime.fromtimestamp(int(at_s), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _unit(value: float | None, unit: str) -> str:
    return UNKNOWN if value is None else f"{value:.3g}{unit}"


def _ratio(value: float | None) -> str:
    return UNKNOWN if value is None else percent_words(Decimal(str(value)) * 100)


def _whole(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"
