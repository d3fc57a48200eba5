"""A picture of the plan's table beside the honest one, and of a scenario where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sophia_infra.cost.errors import CostError
from sophia_infra.cost.plan_table import PlanTable, Side

__all__ = ["PlotRefused", "check_plot_path", "plot_plan_table"]


class PlotRefused(CostError):
    """The picture cannot be drawn."""


def check_plot_path(path: Path) -> None:
    """Refuse a name that no picture has, before anything is computed. Raises PlotRefused."""
    if path.suffix not in (".svg", ".png"):
        raise PlotRefused(
            f"A picture ends in .svg or .png, and {path.name} does not.", next_step="name it so."
        )


def plot_plan_table(path: Path, table: PlanTable, scenario: Side | None = None) -> None:
    """Draw dollars a month before and after, stacked by component, in one picture.

    Args:
        path: `.svg` or `.png`; replaced when it is there. The same figures give the same file.
        scenario: totals of a scenario, drawn beside them.

    Raises:
        PlotRefused: the name ends otherwise, or matplotlib is not installed.
        OSError: the file cannot be written.
    """
    check_plot_path(path)
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise PlotRefused("Drawing needs matplotlib.", next_step="install sophia-infra[plot].") from None
    figure = Figure(figsize=(8, 5), layout="constrained")
    _draw(figure.subplots(), table, scenario)
    with rc_context({"svg.hashsalt": "sophia"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _draw(axes: Any, table: PlanTable, scenario: Side | None) -> None:
    # Floats from here on: positions on paper, no money.
    names = ["plan, before", "plan, after", "honest, before", "honest, after"]
    totals = [table.plan.before_usd, table.plan.after_usd, table.honest.before_usd, table.honest.after_usd]
    bottoms = [0.0] * len(names)
    for row in table.rows:
        sides = (row.plan.before_usd, row.plan.after_usd, row.honest.before_usd, row.honest.after_usd)
        heights = [float(usd) for usd in sides]
        axes.bar(names, heights, bottom=bottoms, label=row.component, width=0.6)
        bottoms = [low + height for low, height in zip(bottoms, heights, strict=True)]
    if scenario is not None:
        _bars(axes, ["scenario, before", "scenario, after"], [scenario.before_usd, scenario.after_usd])
        names += ["scenario, before", "scenario, after"]
        totals += [scenario.before_usd, scenario.after_usd]
        bottoms += [float(scenario.before_usd), float(scenario.after_usd)]
    for place, (top, usd) in enumerate(zip(bottoms, totals, strict=True)):
        axes.annotate(f"${usd:,.2f}", (place, top), (0, 3), textcoords="offset points", ha="center")
    axes.set_xticks(range(len(names)), [name.replace(", ", "\n") for name in names])
    axes.set_ylabel("dollars a month")
    axes.set_ylim(0, max(bottoms) * 1.12 or 1)
    axes.legend(loc="upper right")


def _bars(axes: Any, names: Sequence[str], usd: Sequence[Any]) -> None:
    axes.bar(names, [float(one) for one in usd], label="scenario", width=0.6, color="grey")
