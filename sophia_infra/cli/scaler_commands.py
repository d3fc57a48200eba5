"""`sophia scaler`: arguments in, one function called, an exit code out. Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["scaler_app"]

scaler_app = typer.Typer(
    help="The node scaler: launches and ends Lambda machines as the load comes and goes.",
    no_args_is_help=True,
    add_completion=False,
)

Stack = Annotated[str, typer.Option("--stack", "-s", help="Stack: the file Pulumi.<stack>.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, one document a line.")]
Prometheus = Annotated[
    str | None,
    typer.Option("--prometheus", envvar="SOPHIA_PROMETHEUS_URL", help="Where the load is measured."),
]
Kubeconfig = Annotated[
    str | None,
    typer.Option("--kubeconfig", help="Of the cluster that the machines join. Default: no cluster."),
]


@scaler_app.command()
def run(
    stack: Stack = "local",
    prometheus: Prometheus = None,
    kubeconfig: Kubeconfig = None,
    interval: Annotated[
        int | None, typer.Option("--interval", min=10, max=900, help="Seconds. Default: of the stack file.")
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply/--dry-run", help="Act. Default: only say what would be done.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="One look, then leave.")] = False,
    empty: Annotated[
        bool, typer.Option("--empty", help="Drain and end every machine of the scaler, then leave.")
    ] = False,
    metrics_port: Annotated[
        int | None,
        typer.Option("--metrics-port", min=1, max=65535, help="Serve metrics here. Default: not at all."),
    ] = None,
    metrics_host: Annotated[str, typer.Option("--metrics-host", help="Address to listen on.")] = "127.0.0.1",
    as_json: Json = False,
) -> None:
    """Look, decide and act until Ctrl-C. One of several acts; the others wait. Machines stay when it ends.

    Exit code 8: another scaler leads (with --once); 6: a single look met problems; 130 after Ctrl-C.
    """
    from sophia_infra.cli.scaler_opening import ScalerRequest
    from sophia_infra.cli.scaler_running import run_scaler

    request = ScalerRequest(stack, prometheus, kubeconfig, interval)
    code = run_scaler(
        request,
        apply=apply,
        once=once,
        empty=empty,
        metrics=None if metrics_port is None else (metrics_host, metrics_port),
        as_json=as_json,
    )
    raise typer.Exit(int(code))


@scaler_app.command()
def status(stack: Stack = "local", kubeconfig: Kubeconfig = None, as_json: Json = False) -> None:
    """Show the scaler's machines, what they cost, and who leads. Asks no Prometheus and changes nothing."""
    from sophia_infra.cli.scaler_opening import ScalerRequest
    from sophia_infra.cli.scaler_running import show_status

    raise typer.Exit(int(show_status(ScalerRequest(stack, None, kubeconfig, None), as_json=as_json)))


@scaler_app.command()
def plan(
    stack: Stack = "local",
    prometheus: Prometheus = None,
    kubeconfig: Kubeconfig = None,
    as_json: Json = False,
) -> None:
    """Say what the next look would do, and why. Changes nothing."""
    from sophia_infra.cli.scaler_opening import ScalerRequest
    from sophia_infra.cli.scaler_running import show_plan

    raise typer.Exit(int(show_plan(ScalerRequest(stack, prometheus, kubeconfig, None), as_json=as_json)))
