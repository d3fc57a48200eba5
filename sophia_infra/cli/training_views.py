"""What a person reads of training runs: the plan before, progress meanwhile, the bill after."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from sophia_infra.model.money import format_usd

if TYPE_CHECKING:
    from sophia_infra.provider.run_tags import RunTags
    from sophia_infra.training.adoption import AdoptedCluster
    from sophia_infra.training.planning import RunPlan
    from sophia_infra.training.reporting import RunReport
    from sophia_infra.training.run_folder import RunFolder
    from sophia_infra.training.sweeping import SweepReport

__all__ = [
    "RunProgress",
    "show_adopted",
    "show_bill",
    "show_plan",
    "show_run",
    "show_run_table",
    "show_sweep",
]

_CHOICES_SHOWN = 5


class RunProgress:
    """Lines as they come, and on a terminal one that lives: the phase, nodes, dollars of the cap."""

    def __init__(self, console: Console, folder: RunFolder, title: str) -> None:
        self._console = console
        self._folder = folder
        self._title = title
        self._spinner = Spinner("dots")
        self._live: Live | None = None
        self._last = ""
        self._line = title
        self._read_at_s = 0.0

    def __enter__(self) -> Self:
        self._console.print(self._title)
        if self._console.is_terminal:
            self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=4)
            self._live.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        if self._live is not None:
            self._live.__exit__(None, None, None)
            self._live = None

    def say(self, line: str) -> None:
        """Print `line`, unless it is the one before again."""
        if line != self._last:
            self._last = line
            self._console.print(f"  {line}", soft_wrap=True)

    def _render(self) -> Group:
        now_s = time.monotonic()
        if now_s - self._read_at_s > 1.0:
            self._read_at_s = now_s
            self._line = self._words()
        grid = Table.grid(padding=(0, 1))
        grid.add_row(self._spinner, Text(self._line))
        return Group(grid)

    def _words(self) -> str:
        from sophia_infra.training.errors import RecordUnusable

        try:
            spec, state = self._folder.spec(), self._folder.state()
        except RecordUnusable as error:
            return error.message
        ready = sum(one.ready_at_s is not None for one in state.living.values())
        usd = format_usd(state.usd(state.attended_s))
        return (
            f"{state.phase}: {ready} of {spec.nodes} nodes ready, {usd} of {format_usd(spec.max_usd)}"
            f"{_ends(state.deadline_s)}"
        )


def show_plan(console: Console, plan: RunPlan) -> None:
    """What a run would do, what it costs an hour, a day and at worst, and what it tries in which order."""
    best = plan.best
    console.print(
        f"{plan.cluster}: {plan.nodes} x {best.choice.instance_type} in {best.choice.region}, "
        f"{format_usd(plan.usd_per_hour)}/h ({format_usd(plan.usd_per_hour * 24)} a day)."
    )
    console.print(
        f"Ends itself after {plan.max_hours} h or {format_usd(plan.max_usd)}, whichever comes first; at "
        f"worst {format_usd(best.usd_worst)}. Launching takes at least {plan.launch_floor_s:.0f} s."
    )
    table = Table(pad_edge=False, box=None)
    for heading in ("Try", "Type", "Region", "Capacity", "Odds", "$/h of a node", "Runs at most"):
        table.add_column(heading)
    for at, one in enumerate(plan.ranked[:_CHOICES_SHOWN], start=1):
        table.add_row(
            str(at),
            one.choice.instance_type,
            one.choice.region,
            "listed" if one.has_room else "none listed",
            f"{one.odds:.0%}",
            format_usd(one.choice.usd_per_hour),
            f"{one.runs_s // 3600} h {one.runs_s % 3600 // 60:02} min",
        )
    console.print(table)
    if len(plan.ranked) > _CHOICES_SHOWN:
        console.print(f"and {len(plan.ranked) - _CHOICES_SHOWN} more places.")
    for note in plan.notes:
        console.print(f"note: {note}", soft_wrap=True)


def show_run(console: Console, report: RunReport) -> None:
    """One run: how it stands, its machines, its dollars."""
    state = report.state
    console.print(f"Run {report.spec.run_id} of {report.spec.workload}: {report.word}")
    if state.message:
        console.print(f"  {state.message}", soft_wrap=True)
    table = Table(pad_edge=False, box=None)
    for heading in ("Node", "Machine", "Type", "Region", "Address", "Minutes", "$"):
        table.add_column(heading, justify="right" if heading in ("Minutes", "$") else "left", no_wrap=True)
    for one in state.machines.values():
        gone = f" ({one.lost_because})" if one.lost_because else " (ended)" if one.ended_at_s else ""
        table.add_row(
            str(one.number),
            f"{one.id}{gone}",
            one.instance_type,
            one.region,
            one.address or "-",
            str(one.billed.minutes(report.now_s)),
            format_usd(one.billed.usd(report.now_s)),
        )
    if state.machines:
        console.print(table)
    so_far = f"{format_usd(report.usd)} of {format_usd(report.spec.max_usd)}"
    console.print(
        f"{so_far}, now {format_usd(report.usd_per_hour)}/h"
        f"{_ends(None if report.ends_at is None else state.deadline_s)}."
    )
    if report.state.phase != "ended":
        watched = (
            "a watchdog holds the limits" if report.watched else "NO watchdog lives: run `sophia train sweep`"
        )
        console.print(f"{'Attended' if report.attended else 'Not attended'}; {watched}.")
    if state.results:
        console.print(f"Results: {state.results}", soft_wrap=True)


def show_bill(console: Console, report: RunReport) -> None:
    """Billed minutes and dollars, with boot, job and ending apart."""
    show_run(console, report)
    minutes = report.minutes
    console.print(
        f"{minutes.billed} billed minutes of all machines: {minutes.boot} boot, {minutes.job} job, "
        f"{minutes.ending} ending; each started minute counts, at list price."
    )


def show_run_table(
    console: Console, reports: Sequence[RunReport], elsewhere: Sequence[tuple[RunTags, Any]]
) -> None:
    """All runs, oldest first."""
    table = Table(pad_edge=False, box=None)
    for heading in ("Run", "Workload", "State", "Nodes", "$", "Cap", "$/h now"):
        table.add_column(heading, no_wrap=True, justify="right" if heading.startswith(("$", "C")) else "left")
    for report in reports:
        table.add_row(
            report.spec.run_id,
            report.spec.workload,
            report.word,
            f"{len(report.state.living)} of {report.spec.nodes}",
            format_usd(report.usd),
            format_usd(report.spec.max_usd),
            format_usd(report.usd_per_hour),
        )
    console.print(table if reports else "No run was begun on this machine.")
    if elsewhere:
        rate = sum((row.instance_type.usd_per_hour for _, row in elsewhere), Decimal(0))
        console.print(f"Begun elsewhere, {format_usd(rate)}/h:")
        for tags, row in elsewhere:
            console.print(
                f"  {tags.run_id} node {tags.number}: {row.id}, {row.status}{_ends(tags.deadline_s)}"
            )


def show_adopted(console: Console, cluster: AdoptedCluster) -> None:
    """Machines of a 1-Click Cluster."""
    table = Table(title=f"1-Click Cluster {cluster.cluster_id} (read-only)", title_justify="left", box=None)
    for heading in ("Name", "Id", "Status", "Type", "Region", "Address", "Private address"):
        table.add_column(heading, no_wrap=True)
    for one in cluster.machines:
        table.add_row(
            one.name or "-",
            one.id,
            one.status,
            one.instance_type.name,
            one.region,
            one.ip or "-",
            one.private_ip or "-",
        )
    console.print(table)
    console.print(
        f"{cluster.gpus} GPUs, {format_usd(cluster.usd_per_hour)}/h at list price; its contract says what it "
        "costs. Lambda's API can neither scale nor end it."
    )


def show_sweep(console: Console, report: SweepReport, *, dry_run: bool) -> None:
    """One line per machine, and the counts."""
    verb = "would be ended" if dry_run else "ended"
    for one in report.ended:
        console.print(
            f"{one.run_id} node {one.number} ({one.instance_id}, {format_usd(one.usd_per_hour)}/h): "
            f"{verb}, {one.why}",
            soft_wrap=True,
        )
    for problem in report.problems:
        console.print(f"problem: {problem}", style="bold red", soft_wrap=True)
    console.print(
        f"{len(report.ended)} {verb}, {report.kept} kept, {report.watchdogs_started} watchdogs started, "
        f"{len(report.problems)} problems."
    )


def _ends(deadline_s: int | None) -> str:
    if deadline_s is None:
        return ""
    return f", ends by {datetime.fromtimestamp(deadline_s, tz=UTC):%Y-%m-%d %H:%M} UTC"
