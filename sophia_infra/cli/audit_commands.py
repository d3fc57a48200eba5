"""`sophia audit`: arguments in, one function called, an exit code out. Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["audit_app"]

audit_app = typer.Typer(
    help="Who changed what, when, why, and for how many dollars.",
    no_args_is_help=True,
    add_completion=False,
)

Stack = Annotated[str, typer.Option("--stack", "-s", help="Stack: the file Pulumi.<stack>.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


@audit_app.command("list")
def list_(
    stack: Stack = "local",
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="`7d`, `12h`, or a date or time in UTC.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The timeline of all logs of the stack, oldest first."""
    from sophia_infra.cli.audit_running import run_list

    raise typer.Exit(int(run_list(stack, since=since, as_json=as_json)))


@audit_app.command()
def verify(
    stack: Stack = "local",
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="HASH", help="Printed by an earlier verify: still in the log?"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that no line was changed or taken out. Exit code 6 when one was, with its file and line."""
    from sophia_infra.cli.audit_running import run_verify

    raise typer.Exit(int(run_verify(stack, head=head, as_json=as_json)))
