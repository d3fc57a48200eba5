"""`sophia optimize`: arguments in, one function called, an exit code out. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["optimize_app"]

optimize_app = typer.Typer(
    help="Advice that saves money: with evidence, risk, and a way back. Nothing is done without --yes.",
    invoke_without_command=True,
    add_completion=False,
)

Stack = Annotated[str, typer.Option("--stack", "-s", help="Stack: the file Pulumi.<stack>.yaml.")]
Prometheus = Annotated[
    str | None,
    typer.Option(
        "--prometheus", metavar="URL", help="Where usage is measured; without it nothing is applied."
    ),
]
Settings = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Thresholds; default: optimization.<stack>.yaml, if any.",
    ),
]
LedgerEnv = Annotated[
    str | None,
    typer.Option("--ledger-env", metavar="NAME", help="Variable with the URL of the usage ledger."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


@optimize_app.callback()
def advise(
    context: typer.Context,
    stack: Stack = "local",
    prometheus: Prometheus = None,
    settings: Settings = None,
    ledger_env: LedgerEnv = None,
    as_json: Json = False,
) -> None:
    """List what would save money, with dollars and risk. Exit code 6 when there is something."""
    if context.invoked_subcommand is not None:
        return
    from sophia_infra.cli.optimize_running import Request, run_list

    request = Request(stack, prometheus, settings, ledger_env)
    raise typer.Exit(int(run_list(request, as_json=as_json)))


@optimize_app.command()
def explain(
    recommendation: Annotated[str, typer.Argument(metavar="ID", help="Of a recommendation.")],
    stack: Stack = "local",
    prometheus: Prometheus = None,
    settings: Settings = None,
    ledger_env: LedgerEnv = None,
    as_json: Json = False,
) -> None:
    """One recommendation: its evidence, risk, steps, undo, and the change of the stack file."""
    from sophia_infra.cli.optimize_running import Request, run_explain

    request = Request(stack, prometheus, settings, ledger_env)
    raise typer.Exit(int(run_explain(request, recommendation, as_json=as_json)))


@optimize_app.command()
def apply(
    recommendation: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Of a recommendation; or --auto low.")
    ] = None,
    auto: Annotated[
        str | None, typer.Option("--auto", metavar="RISK", help="All of this risk; only low is ever taken.")
    ] = None,
    dry_run: Annotated[
        bool | None, typer.Option("--dry-run", help="Only say what would be done: the default.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do it. Only what is low risk; the rest is printed as a diff.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the diff of the stack file there.")
    ] = None,
    stack: Stack = "local",
    prometheus: Prometheus = None,
    settings: Settings = None,
    ledger_env: LedgerEnv = None,
    as_json: Json = False,
) -> None:
    """Apply what is low risk, or print the change of the stack file. Exit code 1 when something failed."""
    from sophia_infra.cli.optimize_running import Request, run_apply
    from sophia_infra.model.errors import Refused

    if (recommendation is None) == (auto is None):
        raise Refused("give the id of a recommendation, or --auto low")
    if dry_run and yes:
        raise Refused("--dry-run and --yes exclude each other")
    request = Request(stack, prometheus, settings, ledger_env)
    code = run_apply(request, recommendation, auto, dry_run=not yes, out=out, as_json=as_json)
    raise typer.Exit(int(code))


@optimize_app.command()
def undo(
    action: Annotated[str, typer.Argument(metavar="ID", help="Of an action, or of its recommendation.")],
    stack: Stack = "local",
    settings: Settings = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Take an action back: a machine of the same description is launched, a filesystem is made."""
    from sophia_infra.cli.optimize_running import Request, run_undo

    raise typer.Exit(int(run_undo(Request(stack, None, settings, None), action, yes=yes, as_json=as_json)))


@optimize_app.command()
def log(stack: Stack = "local", as_json: Json = False) -> None:
    """What was done by itself, and whether the log is whole. Exit code 6 when a line was changed."""
    from sophia_infra.cli.optimize_running import run_log

    raise typer.Exit(int(run_log(stack, as_json=as_json)))
