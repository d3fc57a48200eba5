"""`sophia migrate`: arguments in, one function called, an exit code out. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sophia_infra.migration.steps import PhaseName

__all__ = ["migrate_app"]

migrate_app = typer.Typer(
    help="The migration's phases, step by step: gate, action, check, undo. Can be killed and run again.",
    no_args_is_help=True,
    add_completion=False,
)

Stack = Annotated[str, typer.Option("--stack", "-s", help="Stack: the file Pulumi.<stack>.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Start = Annotated[
    str | None,
    typer.Option("--start", metavar="DATE", help="First day of the plan; no phase begins before its day."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print every step and its commands; run none.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Again = Annotated[bool, typer.Option("--again", help="Begin a finished phase anew: every step, once more.")]
Prometheus = Annotated[
    str | None,
    typer.Option(
        "--prometheus",
        envvar="SOPHIA_PROMETHEUS_URL",
        metavar="URL",
        help="Given to every step that measures; without it what needs it is unknown.",
    ),
]
Cluster = Annotated[
    bool | None, typer.Option("--cluster/--no-cluster", help="Given to every `up`; see `sophia up`.")
]


@migrate_app.command()
def plan(
    start: Annotated[str, typer.Option("--start", metavar="DATE", help="First day, as 2026-11-02.")],
    gantt: Annotated[Path | None, typer.Option("--gantt", metavar="FILE", help="Write it as SVG.")] = None,
    as_json: Json = False,
) -> None:
    """Print the plan's 42 days with dates: phases, weeks, and windows of preparation."""
    from sophia_infra.cli.migrate_planning import run_plan

    raise typer.Exit(int(run_plan(start, gantt=gantt, as_json=as_json)))


@migrate_app.command()
def phase1(
    stack: Stack = "local",
    start: Start = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    again: Again = False,
    prometheus: Prometheus = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Quick wins: baseline, backup, the fleet and its inference. Exit code 6: a gate is red."""
    _run("phase1", stack, start, dry_run, yes, again, prometheus, cluster, as_json)


@migrate_app.command()
def phase2(
    stack: Stack = "local",
    start: Start = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    again: Again = False,
    prometheus: Prometheus = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Stability: secrets, GPU scheduling, monitoring. Exit code 6: a gate is red."""
    _run("phase2", stack, start, dry_run, yes, again, prometheus, cluster, as_json)


@migrate_app.command()
def phase3(
    stack: Stack = "local",
    start: Start = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    again: Again = False,
    prometheus: Prometheus = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Scale: training, auto-scaling, savings. Exit code 6: a gate is red."""
    _run("phase3", stack, start, dry_run, yes, again, prometheus, cluster, as_json)


@migrate_app.command()
def complete(
    stack: Stack = "local",
    start: Start = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    again: Again = False,
    prometheus: Prometheus = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """All three phases, then the comparison with the baseline. Exit code 6: a gate is red."""
    _run("complete", stack, start, dry_run, yes, again, prometheus, cluster, as_json)


@migrate_app.command()
def undo(
    phase: Annotated[str, typer.Argument(metavar="PHASE", help="phase1, phase2 or phase3.")],
    to: Annotated[
        str, typer.Option("--to", metavar="STEP", help="The last step that stays. Default: none stays.")
    ] = "",
    stack: Stack = "local",
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Take back the steps after one of them, the last first; says beforehand what cannot be taken back."""
    from sophia_infra.cli.migrate_running import run_undo

    raise typer.Exit(int(run_undo(phase, to, stack, dry_run=dry_run, yes=yes, as_json=as_json)))


@migrate_app.command()
def status(stack: Stack = "local", as_json: Json = False) -> None:
    """Show where the migration of a stack stands, and what comes next. Runs nothing."""
    from sophia_infra.cli.migrate_planning import run_status

    raise typer.Exit(int(run_status(stack, as_json=as_json)))


def _run(
    phase: PhaseName,
    stack: str,
    start: str | None,
    dry_run: bool,
    yes: bool,
    again: bool,
    prometheus: str | None,
    cluster: bool | None,
    as_json: bool,
) -> None:
    from sophia_infra.cli.migrate_running import MigrateRequest, run_phase

    request = MigrateRequest(phase, stack, start, again, prometheus, cluster, as_json)
    raise typer.Exit(int(run_phase(request, dry_run=dry_run, yes=yes)))
