"""Objectives and how fast their error budgets are spent: multi-window, multi-burn-rate rules.

The rules are those of the SRE workbook (chapter "Alerting on SLOs"), with the factors that Sloth generates. A
burn rate of 1 spends the error budget in exactly 30 days. An alarm needs a long window, so that it means
something, and a short one, so that it ends soon after the failures do.

    tier    long window  short window  factor  share of the month's budget spent when it fires
    page    1 h          5 min         14.4     2 %
    page    6 h          30 min         6       5 %
    ticket  1 d          2 h            3      10 %
    ticket  3 d          6 h            1      10 %

Three things differ from the workbook:

- Longer windows are sums over recorded rates (of 5 minutes up to 6 h, of 30 minutes above) and not rates over
  raw counters: calls and failures are added up separately, so busy hours count for more than quiet ones, and
  three days of counters of every pod are never read. They lag by a step: 1 minute up to 1 h, 5 minutes up to
  6 h, 30 minutes above; the short window of each row is fresher. What happened while Prometheus itself was
  down is in no window.
- At least `MIN_FAILED_CALLS` calls have to have failed in the long window. One error among few calls never
  raises an alarm; a service with fewer failing calls than that in 3 days never has one from here.
- Without calls there is no ratio: a series that is not there, and never a division by zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sophia_infra.monitoring.rule import Recording, duration

__all__ = [
    "BASE_S",
    "MIN_FAILED_CALLS",
    "MONTH_S",
    "PAGE",
    "TICKET",
    "WINDOWS_S",
    "BurnWindow",
    "Objective",
    "burn_condition",
    "month_recordings",
    "objective_condition",
    "objective_recordings",
]

BASE_S: Final = 300
"""Seconds of the shortest window, which the longer ones are made of."""
MONTH_S: Final = 30 * 86_400
MIN_FAILED_CALLS: Final = 10

WINDOWS_S: Final = (1_800, 3_600, 7_200, 21_600, 86_400, 259_200)
"""Windows between the base and the month."""

_TILE_S: Final = 1_800
_STEPS_S: Final = ((3_600, 60), (21_600, BASE_S))
"""(windows up to this, step)."""

_MOST_FAILING: Final = Decimal("0.9")
_RATIO: Final = "slo:errors_per_request:ratio_rate"


@dataclass(frozen=True, slots=True)
class BurnWindow:
    """One row of the table: `factor` times the allowed pace over both windows (seconds)."""

    factor: Decimal
    long_s: int
    short_s: int


PAGE: Final = (BurnWindow(Decimal("14.4"), 3_600, 300), BurnWindow(Decimal(6), 21_600, 1_800))
TICKET: Final = (BurnWindow(Decimal(3), 86_400, 7_200), BurnWindow(Decimal(1), 259_200, 21_600))


@dataclass(frozen=True, slots=True)
class Objective:
    """A kind of calls that has to succeed.

    Attributes:
        name: value of the label `slo`.
        requests, errors: calls, and calls that failed, per second over the last 5 minutes; PromQL with the
            labels namespace and service. `errors` may lack what `requests` has: then nothing failed.
        pages: whether it wakes somebody; else only tickets are written.
    """

    name: str
    requests: str
    errors: str
    pages: bool = True


def burn_condition(windows: Iterable[BurnWindow], above: Callable[[int, Decimal], str]) -> str:
    """PromQL: any of the windows burns.

    Args:
        above: (seconds of a window, factor) -> PromQL of what burns faster than that over the window.
    """
    parts = (
        f"({above(window.long_s, window.factor)} and {above(window.short_s, window.factor)})"
        for window in windows
    )
    return " or ".join(parts)


def objective_condition(windows: Iterable[BurnWindow], names: Sequence[str], slo: Decimal) -> str:
    """PromQL: objectives of these names whose error budgets burn; its value is the ratio of failed calls.

    Args:
        slo: share of calls that has to succeed, 0 to 1.
    """
    chosen = f'{{slo=~"{"|".join(names)}"}}'
    parts = []
    for window in windows:
        limit = _threshold(window.factor, slo)
        failed = _failed_calls(window.long_s, chosen)
        both = " and ".join(
            f"{_ratio_name(seconds)}{chosen} > {limit}" for seconds in (window.long_s, window.short_s)
        )
        parts.append(f"({both} and {failed} >= {MIN_FAILED_CALLS})")
    return " or ".join(parts)


def objective_recordings(objectives: Sequence[Objective]) -> tuple[Recording, ...]:
    """Calls, failures and their ratios over every window but the month.

    `slo:requests:rate5m`, `slo:errors:rate5m` and both as rate30m are calls per second;
    `slo:errors_per_request:ratio_rate<w>` is there for 5m, 30m, 1h, 2h, 6h, 1d and 3d. All have the labels
    slo, namespace and service.
    """
    base: list[Recording] = []
    for one in objectives:
        labels = {"slo": one.name}
        base.append(Recording("slo:requests:rate5m", one.requests, labels))
        base.append(Recording("slo:errors:rate5m", f"{one.errors} or {one.requests} * 0", labels))
    for what in ("requests", "errors"):
        tile = f"sum_over_time({_points(what, _TILE_S)}) / {_TILE_S // _step_s(_TILE_S)}"
        base.append(Recording(f"slo:{what}:rate{duration(_TILE_S)}", tile))
    ratios = [Recording(_ratio_name(BASE_S), "slo:errors:rate5m / (slo:requests:rate5m > 0)")]
    ratios += [Recording(_ratio_name(window_s), _ratio_over(window_s)) for window_s in WINDOWS_S]
    return (*base, *ratios)


def month_recordings(slo: Decimal) -> tuple[Recording, ...]:
    """The month: `slo:errors_per_request:ratio_rate30d`, and what is left of the error budget.

    `slo:error_budget_remaining:ratio` is 1 when nothing failed in 30 days, 0 when all that may fail has
    failed, below 0 after that; `slo:failed_calls:sum30d` counts failures; `slo:objective:ratio` is the
    objective.

    Args:
        slo: share of calls that has to succeed, 0 to 1.
    """
    return (
        Recording(_ratio_name(MONTH_S), _ratio_over(MONTH_S)),
        Recording("slo:failed_calls:sum30d", _failed_calls(MONTH_S)),
        Recording("slo:error_budget_remaining:ratio", f"1 - {_ratio_name(MONTH_S)} / {_plain(1 - slo)}"),
        Recording("slo:objective:ratio", f"vector({_plain(slo)})"),
    )


def _ratio_name(window_s: int) -> str:
    return f"{_RATIO}{duration(window_s)}"


def _ratio_over(window_s: int) -> str:
    return (
        f"sum_over_time({_points('errors', window_s)}) / (sum_over_time({_points('requests', window_s)}) > 0)"
    )


def _failed_calls(window_s: int, chosen: str = "") -> str:
    """Failed calls in a window: the rate at every step, times the seconds of a step."""
    return f"sum_over_time({_points('errors', window_s, chosen)}) * {_step_s(window_s)}"


def _points(what: str, window_s: int, chosen: str = "") -> str:
    """Recorded rates at every step of a window; a longer step stands on the longer rate."""
    step_s = _step_s(window_s)
    rate_s = max(step_s, BASE_S)
    return f"slo:{what}:rate{duration(rate_s)}{chosen}[{duration(window_s)}:{duration(step_s)}]"


def _step_s(window_s: int) -> int:
    return next((step_s for limit_s, step_s in _STEPS_S if window_s <= limit_s), _TILE_S)


def _threshold(factor: Decimal, slo: Decimal) -> str:
    """Failed share from which the factor is passed; below 1 also where the objective is low.

    At 93 % a factor of 14.4 asks for more failures than there are calls: there 90 % failing is enough.
    """
    return _plain(min(factor * (1 - slo), _MOST_FAILING))


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")
