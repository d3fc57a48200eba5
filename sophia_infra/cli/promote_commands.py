"""`sophia promote`: arguments in, one function called, an exit code out. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["add_promote_command"]


def add_promote_command(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(promote)


def promote(
    source: Annotated[str, typer.Option("--from", metavar="STACK", help="Whose images are proved.")],
    target: Annotated[str, typer.Option("--to", metavar="STACK", help="Whose file gets their digests.")],
    gate: Annotated[
        Path | None,
        typer.Option(
            "--gate", help="What `sophia validate --json` said. Default: what its last run recorded."
        ),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write/--dry-run", help="Change the file. Default: only show the difference.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Put the digests that one stack has proved into the file of the next one.

    The stages: development -> staging -> canary -> production.

    Exit code 6: the source's gate is not green, or digests are missing.
    """
    from sophia_infra.cli.promoting import run_promote

    raise typer.Exit(int(run_promote(source, target, gate, write=write, as_json=as_json)))
