"""`sophia canary`: arguments in, one function called, an exit code out. Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated

import typer

from sophia_infra.cli.finite import finite

__all__ = ["canary_app"]

canary_app = typer.Typer(
    help="A new image beside the old one, with a share of the calls that grows while it stays healthy.",
    no_args_is_help=True,
    add_completion=False,
)

Workload = Annotated[str, typer.Argument(metavar="WORKLOAD", help="A workload with an ingress.")]
Image = Annotated[str, typer.Option("--image", help="The candidate: name:tag, or name:tag@sha256:...")]
Stack = Annotated[str, typer.Option("--stack", "-s", help="Stack: the file Pulumi.<stack>.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Kubeconfig = Annotated[
    str | None, typer.Option("--kubeconfig", help="Of the cluster. Default: the stack's own.")
]
Prometheus = Annotated[
    str | None,
    typer.Option("--prometheus", envvar="SOPHIA_PROMETHEUS_URL", help="Where calls and errors are measured."),
]


@canary_app.command()
def plan(
    workload: Workload,
    image: Image,
    stack: Stack = "local",
    manifests: Annotated[
        bool, typer.Option("--manifests", help="Print every object as YAML, the gateway's switch first.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what would be made, in which steps the calls would move, and what would send them back."""
    from sophia_infra.cli.canary_running import show_plan

    raise typer.Exit(int(show_plan(stack, workload, image, manifests=manifests, as_json=as_json)))


@canary_app.command()
def run(
    workload: Workload,
    image: Image,
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
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Make the candidate and move calls to it step by step; a killed run is gone on with.

    Exit code: 0 all calls moved, 6 they went back, 8 another process moves them, 130 after Ctrl-C (the
    weights stay, run it again to go on).
    """
    from sophia_infra.cli.canary_running import CanaryRequest, run_canary, show_plan

    if dry_run:
        raise typer.Exit(int(show_plan(stack, workload, image, manifests=False, as_json=as_json)))
    request = CanaryRequest(stack, workload, image, kubeconfig, prometheus, probe_url, interval)
    raise typer.Exit(int(run_canary(request, yes=yes, as_json=as_json)))


@canary_app.command()
def status(stack: Stack = "local", kubeconfig: Kubeconfig = None, as_json: Json = False) -> None:
    """Show every canary of the stack: weights, since when, why. Changes nothing."""
    from sophia_infra.cli.canary_running import show_status

    raise typer.Exit(int(show_status(stack, kubeconfig, as_json=as_json)))


@canary_app.command()
def abort(
    workload: Workload,
    stack: Stack = "local",
    kubeconfig: Kubeconfig = None,
    as_json: Json = False,
) -> None:
    """Give all calls to the stable side and delete the candidate, at once and whoever moves it."""
    from sophia_infra.cli.canary_running import abort_canary

    raise typer.Exit(int(abort_canary(stack, workload, kubeconfig, as_json=as_json)))
