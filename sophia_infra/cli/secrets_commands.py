"""`sophia secrets`: arguments in, one function called, an exit code out. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sophia_infra.cli.finite import finite

__all__ = ["secrets_app"]

secrets_app = typer.Typer(
    help="Secrets in Pulumi ESC: what is missing, old or not yet in the cluster. No command prints a value.",
    no_args_is_help=True,
)

Stack = Annotated[str, typer.Option("--stack", "-s", help="Stack: the file Pulumi.<stack>.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Kubeconfig = Annotated[
    Path | None, typer.Option("--kubeconfig", help="Cluster to ask; default: the variable in the stack file.")
]


@secrets_app.command()
def check(stack: Stack = "local", kubeconfig: Kubeconfig = None, as_json: Json = False) -> None:
    """Find secrets that are missing, plain, empty, old, or not in the cluster. Exit code 6 for findings."""
    from sophia_infra.cli.secrets_running import reporting, run_check

    with reporting(as_json=as_json):
        raise typer.Exit(int(run_check(stack, kubeconfig, as_json=as_json)))


@secrets_app.command()
def sync(
    stack: Stack = "local",
    kubeconfig: Kubeconfig = None,
    wait_s: Annotated[
        float,
        typer.Option(
            "--wait", min=0, max=600, callback=finite, help="Seconds to wait for the operator; 0: do not."
        ),
    ] = 60.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show who would restart.")] = False,
    as_json: Json = False,
) -> None:
    """Bring new values into the cluster now, and restart whoever uses them."""
    from sophia_infra.cli.secrets_running import reporting, run_sync

    with reporting(as_json=as_json):
        raise typer.Exit(int(run_sync(stack, kubeconfig, wait_s=wait_s, dry_run=dry_run, as_json=as_json)))


@secrets_app.command()
def rotate(
    name: Annotated[str | None, typer.Argument(help="Property path of one secret.")] = None,
    stack: Stack = "local",
    all_due: Annotated[
        bool, typer.Option("--all-due", help="All that are too old or empty and can be generated.")
    ] = False,
    value_from_env: Annotated[
        str | None, typer.Option("--value-from-env", metavar="NAME", help="Variable with the new value.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be renewed.")] = False,
    as_json: Json = False,
) -> None:
    """Give one secret, or all that are due, a new value, as a new revision in ESC."""
    from sophia_infra.cli.secrets_running import reporting, run_rotate

    with reporting(as_json=as_json):
        code = run_rotate(
            stack, name, all_due=all_due, value_from_env=value_from_env, dry_run=dry_run, as_json=as_json
        )
        raise typer.Exit(int(code))


@secrets_app.command()
def init(stack: Stack = "local", as_json: Json = False) -> None:
    """Make the environment from the checked-in definition, without values; one with content stays."""
    from sophia_infra.cli.secrets_running import reporting, run_init

    with reporting(as_json=as_json):
        raise typer.Exit(int(run_init(stack, as_json=as_json)))


@secrets_app.command()
def audit(as_json: Json = False) -> None:
    """List who did what to which secret, and verify that no line was changed. Exit code 6 when one was."""
    from sophia_infra.cli.secrets_running import reporting, run_audit

    with reporting(as_json=as_json):
        raise typer.Exit(int(run_audit(as_json=as_json)))
