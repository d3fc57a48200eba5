"""`sophia cutover`: arguments in, one function called, an exit code out. Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated

import typer

from sophia_infra.cli.finite import finite

__all__ = ["cutover_app"]

cutover_app = typer.Typer(
    help="Service by service from Docker Swarm to Kubernetes, both running, with a way back at each.",
    no_args_is_help=True,
    add_completion=False,
)

Service = Annotated[str, typer.Argument(metavar="SERVICE", help="As Swarm names it: see `plan`.")]
Stack = Annotated[str, typer.Option("--stack", "-s", help="Stack: the file Pulumi.<stack>.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Kubeconfig = Annotated[
    str | None, typer.Option("--kubeconfig", help="Of the cluster. Default: the stack's own.")
]
Prometheus = Annotated[
    str | None,
    typer.Option("--prometheus", envvar="SOPHIA_PROMETHEUS_URL", help="Where calls and errors are measured."),
]


@cutover_app.command()
def plan(stack: Stack = "local", as_json: Json = False) -> None:
    """Show what moves in which order, how, and what has to hold before each. Asks no cluster."""
    from sophia_infra.cli.cutover_running import show_plan

    raise typer.Exit(int(show_plan(stack, as_json=as_json)))


@cutover_app.command()
def run(
    service: Service,
    stack: Stack = "local",
    kubeconfig: Kubeconfig = None,
    prometheus: Prometheus = None,
    probe_url: Annotated[
        str | None, typer.Option("--probe-url", help="Has to answer below 400 at every look.")
    ] = None,
    interval: Annotated[
        float, typer.Option("--interval", min=0.1, max=300, callback=finite, help="Seconds a look.")
    ] = 15.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="The same as `plan`.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Move one service; a killed run is gone on with.

    Exit code: 0 it is on Kubernetes, 6 its calls went back to Swarm, 8 another process moves it, 130 after
    Ctrl-C (the weights stay, run it again to go on).
    """
    from sophia_infra.cli.cutover_running import CutoverRequest, run_cutover, show_plan

    if dry_run:
        raise typer.Exit(int(show_plan(stack, as_json=as_json, service=service)))
    request = CutoverRequest(stack, service, kubeconfig, prometheus, probe_url, interval)
    raise typer.Exit(int(run_cutover(request, yes=yes, as_json=as_json)))


@cutover_app.command()
def status(stack: Stack = "local", kubeconfig: Kubeconfig = None, as_json: Json = False) -> None:
    """Show for each service who answers its calls now. Changes nothing."""
    from sophia_infra.cli.cutover_running import show_status

    raise typer.Exit(int(show_status(stack, kubeconfig, as_json=as_json)))


@cutover_app.command()
def back(
    service: Service, stack: Stack = "local", kubeconfig: Kubeconfig = None, as_json: Json = False
) -> None:
    """Give all calls of a service to Swarm again, at once and whoever moves it."""
    from sophia_infra.cli.cutover_running import bring_back

    raise typer.Exit(int(bring_back(stack, service, kubeconfig, as_json=as_json)))


@cutover_app.command()
def finish(
    service: Service,
    stack: Stack = "local",
    kubeconfig: Kubeconfig = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Take the way back to Swarm away, once a service is on Kubernetes for good."""
    from sophia_infra.cli.cutover_running import finish_cutover

    raise typer.Exit(int(finish_cutover(stack, service, kubeconfig, yes=yes, as_json=as_json)))
