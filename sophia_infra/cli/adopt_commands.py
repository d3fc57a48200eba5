"""`sophia adopt`: arguments in, one function called, an exit code out. Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["add_adopt_command"]


def add_adopt_command(app: typer.Typer) -> None:
    """Register `adopt` with the command line."""
    app.command()(adopt)


def adopt(
    stack: Annotated[
        str, typer.Option("--stack", "-s", help="Stack: the file Pulumi.<stack>.yaml.")
    ] = "local",
    everything: Annotated[
        bool, typer.Option("--all", help="Everything of the stack file; one machine: `adopt` in that file.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what exists and what is missing; change nothing.")
    ] = False,
    phase: Annotated[
        int | None,
        typer.Option("--phase", min=1, max=3, help="Phase that the stack was in. Default: its own."),
    ] = None,
    new_credentials: Annotated[
        bool,
        typer.Option(
            "--new-credentials",
            help="Real clusters: make new credentials, though no node has them; the nodes must be made anew.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Write a lost state back from what exists in the account. Launches, makes and ends nothing paid.

    Exit code 6: something of the stack file is missing, or machines are left that nothing asks for.
    """
    from sophia_infra.cli.adopting import AdoptRequest, run_adopt

    request = AdoptRequest(stack, phase, new_credentials=new_credentials, as_json=as_json)
    raise typer.Exit(int(run_adopt(request, everything=everything, dry_run=dry_run, yes=yes)))
