"""`sophia train`: arguments in, one function called, an exit code out. Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["train_app"]

train_app = typer.Typer(
    help="Training clusters: N machines in one region, all or none, with hard limits in dollars and hours.",
    no_args_is_help=True,
    add_completion=False,
)

Stack = Annotated[str, typer.Option("--stack", "-s", help="Stack: the file Pulumi.<stack>.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="Its id, or how that begins or ends.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]


@train_app.command()
def run(
    workload: Annotated[str, typer.Option("--workload", "-w", help="A workload of sophia:training.")],
    stack: Stack = "local",
    nodes: Annotated[
        int | None, typer.Option("--nodes", min=1, max=8, help="Machines. Default: the cluster's most.")
    ] = None,
    type_: Annotated[
        str | None, typer.Option("--type", help="8xH100 or an API name, one of the cluster's.")
    ] = None,
    region: Annotated[str | None, typer.Option("--region", help="One of the cluster's regions.")] = None,
    max_usd: Annotated[
        str | None, typer.Option("--max-usd", help='Dollars, at most the cluster\'s: "500", "$1,000".')
    ] = None,
    max_hours: Annotated[
        int | None, typer.Option("--max-hours", min=1, help="Hours, at most the cluster's.")
    ] = None,
    dry_run: DryRun = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Attend the run in the background and return.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Launch, train, copy the results back, end the machines. A killed run is gone on with.

    Ctrl-C ends the run and its machines; a second one leaves that to the watchdog.
    """
    from sophia_infra.cli.training_planning import RunRequest
    from sophia_infra.cli.training_runs import run_training

    request = RunRequest(stack, workload, nodes, type_, region, max_usd, max_hours)
    code = run_training(request, dry_run=dry_run, detach=detach, yes=yes, as_json=as_json)
    raise typer.Exit(int(code))


@train_app.command()
def status(run: Run, stack: Stack = "local", as_json: Json = False) -> None:
    """Show one run: its machines, what it has cost, when it ends at the latest, and who looks after it."""
    from sophia_infra.cli.training_looking import show_status

    raise typer.Exit(int(show_status(stack, run, as_json=as_json)))


@train_app.command()
def stop(run: Run, stack: Stack = "local", as_json: Json = False) -> None:
    """End a run and its machines now, whether its starter lives or not."""
    from sophia_infra.cli.training_runs import stop_run

    raise typer.Exit(int(stop_run(stack, run, as_json=as_json)))


@train_app.command()
def cost(run: Run, stack: Stack = "local", as_json: Json = False) -> None:
    """What a run has cost: billed minutes and dollars of each machine, boot and job apart."""
    from sophia_infra.cli.training_looking import show_cost

    raise typer.Exit(int(show_cost(stack, run, as_json=as_json)))


@train_app.command("list")
def list_(
    stack: Stack = "local",
    cluster_id: Annotated[
        str | None, typer.Option("--cluster-id", help="Read a 1-Click Cluster instead; nothing is changed.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the runs of this machine, and training machines that other machines launched."""
    from sophia_infra.cli.training_looking import show_one_click_cluster, show_runs

    if cluster_id is not None:
        raise typer.Exit(int(show_one_click_cluster(stack, cluster_id, as_json=as_json)))
    raise typer.Exit(int(show_runs(stack, as_json=as_json)))


@train_app.command()
def sweep(
    stack: Stack = "local",
    dry_run: DryRun = False,
    grace_minutes: Annotated[
        int, typer.Option("--grace-minutes", min=0, help="How long a run may go unattended.")
    ] = 30,
    as_json: Json = False,
) -> None:
    """End machines of runs that are over, and start missing watchdogs: for cron. Exit code 6: some remain."""
    from sophia_infra.cli.training_runs import sweep_runs

    raise typer.Exit(int(sweep_runs(stack, grace_s=grace_minutes * 60.0, dry_run=dry_run, as_json=as_json)))
