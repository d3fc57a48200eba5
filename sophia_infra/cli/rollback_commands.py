"""`sophia rollback`: arguments in, one function called, an exit code out. Imports nothing heavy."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["rollback_app"]

rollback_app = typer.Typer(
    help="Bring back the stack file of an earlier update, by a new update.",
    no_args_is_help=True,
    add_completion=False,
)

Stack = Annotated[str, typer.Option("--stack", "-s", help="Stack: the file Pulumi.<stack>.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Version = Annotated[int, typer.Option("--to", min=1, metavar="VERSION", help="A number of `list`.")]


@rollback_app.command("list")
def list_(stack: Stack = "local", as_json: Json = False) -> None:
    """Show every update of the stack, what it changed, and whether its file was kept."""
    from sophia_infra.cli.rollback_running import show_versions

    raise typer.Exit(int(show_versions(stack, as_json=as_json)))


@rollback_app.command()
def plan(to: Version, stack: Stack = "local", as_json: Json = False) -> None:
    """Say what going back would end, launch and cost, and what nothing would bring back. Changes nothing.

    Exit code 6: protected machines or filesystems stand in the way.
    """
    from sophia_infra.cli.rollback_running import show_plan

    raise typer.Exit(int(show_plan(stack, to, as_json=as_json)))


@rollback_app.command()
def run(
    to: Version,
    stack: Stack = "local",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="The same as `plan`.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accept what `plan` says.")] = False,
    as_json: Json = False,
) -> None:
    """Write the old file over the stack file (today's is kept) and run `up`. Exit codes as of `up`."""
    from sophia_infra.cli.rollback_running import run_rollback, show_plan

    if dry_run:
        raise typer.Exit(int(show_plan(stack, to, as_json=as_json)))
    raise typer.Exit(int(run_rollback(stack, to, yes=yes, as_json=as_json)))
