"""The plots of the report. Floats from here on: positions on paper, no money."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from sophia_infra.cost.forecast import DayCost, ForecastDay
from sophia_infra.reports.history import GpuHistory
from sophia_infra.reports.svg import GRID, INK, MUTED, SERIES, WARN, draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Plot", "plot_cost", "plot_gpus", "plot_inference"]

_WIDE: Final = (10.5, 3.4)
_NARROW: Final = (4.6, 3.4)
_DASHES: Final = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
_PERCENT: Final = 100
_EPOCH: Final = date(1970, 1, 1)
_NOON: Final = 0.5
_BUDGET: Final = "budget a day"
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot, drawn for a wide and for a narrow window."""

    wide: str
    narrow: str


def plot_cost(past: Sequence[DayCost], month: Sequence[ForecastDay], budget_usd_per_day: float) -> Plot:
    """Dollars of each day, those ahead with their 80 % interval, and the budget as a line.

    Args:
        past: the history; today's part in it is left to `month`.
        month: days of the present month; only those ahead are taken from it.
    """
    ahead = [row for row in month if row.is_ahead]
    first_ahead = ahead[0].day if ahead else date.max
    seen = [row for row in past if row.day < first_ahead]

    def draw(axes: Axes) -> None:
        whole = [row for row in seen if row.is_whole]
        part = [row for row in seen if not row.is_whole]
        _bars(axes, [(row.day, float(row.usd)) for row in whole], "spent", color=SERIES[0])
        _bars(axes, [(row.day, float(row.usd)) for row in part], "spent, as far as watched", **_hollow("///"))
        _bars(axes, [(row.day, float(row.usd)) for row in ahead], "expected", **_hollow(None))
        banded = [(row.day, row.interval_80) for row in ahead if row.interval_80 is not None]
        if banded:
            low = [float(interval.low_usd) for _, interval in banded]
            high = [float(interval.high_usd) for _, interval in banded]
            axes.bar(
                [_noon(day) for day, _ in banded],
                [top - bottom for top, bottom in zip(high, low, strict=True)],
                bottom=low,
                width=0.5,
                color=SERIES[1],
                alpha=0.5,
                label="80 % interval",
            )
        axes.axhline(budget_usd_per_day, color=WARN, linewidth=1.2, linestyle="--", label=_BUDGET)
        axes.set_ylabel("dollars a day")
        axes.set_ylim(bottom=0)

    total = math.fsum(float(row.usd) for row in seen)
    description = f"{len(seen)} days on record, ${total:,.2f} together; {len(ahead)} days ahead."
    return _both("cost", "Dollars per day and their forecast", description, draw)


def plot_inference(days: Sequence[DayCost]) -> Plot:
    """Dollars of inference of each day."""

    def draw(axes: Axes) -> None:
        _bars(axes, [(row.day, float(row.usd)) for row in days], "inference", color=SERIES[2])
        axes.set_ylabel("dollars a day")
        axes.set_ylim(bottom=0)

    total = math.fsum(float(row.usd) for row in days)
    description = f"{len(days)} days, ${total:,.4f} together."
    return _both("inference", "Dollars of inference per day", description, draw)


def plot_gpus(gpus: Sequence[GpuHistory]) -> Plot:
    """Use of each GPU; of more than six their mean, between the lowest and the highest."""

    def draw(axes: Axes) -> None:
        if len(gpus) <= len(SERIES):
            for gpu, colour, dashes in zip(gpus, SERIES, _DASHES, strict=False):
                axes.plot(
                    [_moment(at_s) for at_s, _ in gpu.points],
                    [value for _, value in gpu.points],
                    color=colour,
                    linestyle=dashes,
                    linewidth=1.4,
                    label=gpu.name,
                )
        else:
            _mean_and_range(axes, gpus)
        axes.set_ylabel("percent of time busy")
        axes.set_ylim(0, _PERCENT)

    lowest, highest = (choose(gpus, key=lambda gpu: gpu.mean_percent) for choose in (min, max))
    description = (
        f"{len(gpus)} GPUs; on average from {lowest.mean_percent:.0f} % ({lowest.name}) to "
        f"{highest.mean_percent:.0f} % ({highest.name})."
    )
    return _both("gpus", "Use of each GPU", description, draw)


def _mean_and_range(axes: Axes, gpus: Sequence[GpuHistory]) -> None:
    by_time: dict[float, list[float]] = {}
    for gpu in gpus:
        for at_s, value in gpu.points:
            by_time.setdefault(at_s, []).append(value)
    times = sorted(by_time)
    moments = [_moment(at_s) for at_s in times]
    low, high = ([choose(by_time[at_s]) for at_s in times] for choose in (min, max))
    mean = [math.fsum(by_time[at_s]) / len(by_time[at_s]) for at_s in times]
    label = f"lowest to highest of {len(gpus)}"
    axes.fill_between(moments, low, high, color=SERIES[0], alpha=0.25, linewidth=0, label=label)
    axes.plot(moments, mean, color=SERIES[0], linewidth=1.6, label="mean")


def _both(name: str, title: str, description: str, draw: Callable[[Axes], None]) -> Plot:
    def with_legend(columns: int, days: int) -> Callable[[Axes], None]:
        def draw_all(axes: Axes) -> None:
            axes.margins(x=0.01)
            draw(axes)
            _dates(axes, days)
            handles, labels = axes.get_legend_handles_labels()
            # matplotlib names lines first; what the plot is about comes first here.
            entries = sorted(zip(handles, labels, strict=True), key=lambda entry: entry[1] == _BUDGET)
            if len(entries) > 1:
                axes.legend(
                    *zip(*entries, strict=True),
                    loc="lower left",
                    bbox_to_anchor=(0, 1),
                    ncols=columns,
                    labelcolor=INK,
                )

        return draw_all

    return Plot(
        wide=draw_svg(f"{name}-wide", title, description, _WIDE, with_legend(3, 12)),
        narrow=draw_svg(f"{name}-narrow", title, description, _NARROW, with_legend(1, 5)),
    )


def _bars(axes: Axes, rows: Sequence[tuple[date, float]], label: str, **style: Any) -> None:
    if rows:
        axes.bar([_noon(day) for day, _ in rows], [usd for _, usd in rows], width=0.8, label=label, **style)


def _hollow(hatch: str | None) -> dict[str, Any]:
    edge = SERIES[0] if hatch else MUTED
    return {"facecolor": GRID, "edgecolor": edge, "linewidth": 0.8, "hatch": hatch}


def _dates(axes: Axes, most: int) -> None:
    """Label at most `most` days, evenly, in English whatever the machine speaks."""
    left, right = axes.get_xlim()
    first, last = math.ceil(left - _NOON), math.floor(right - _NOON)
    days = range(first, last + 1, max(1, math.ceil((last - first + 1) / most)))
    texts = []
    for number in days:
        day = _EPOCH + timedelta(days=number)
        texts.append(f"{day.day} {_MONTHS[day.month - 1]}")
    axes.set_xticks([number + _NOON for number in days], texts)


def _noon(day: date) -> float:
    """Days since 1970."""
    return (day - _EPOCH).days + _NOON


def _moment(at_s: float) -> float:
    return at_s / 86_400
