"""`sophia inference`: arguments in, one function called, an exit code out. Imports nothing heavy."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sophia_infra.cli.finite import finite

__all__ = ["inference_app"]

inference_app = typer.Typer(
    help="Models behind the stack's gateway: who used what, what it cost, and when an own GPU is cheaper.",
    no_args_is_help=True,
)

Stack = Annotated[str, typer.Option("--stack", "-s", help="Stack: the file Pulumi.<stack>.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Ledger = Annotated[
    str | None,
    typer.Option(
        "--ledger-env",
        metavar="NAME",
        help="Variable with the ledger's SQLAlchemy URL; default: the stack's, or the local gateway's file.",
    ),
]


class By(StrEnum):
    """What a line of the report stands for."""

    MODEL = "model"
    DAY = "day"
    USER = "user"
    BACKEND = "backend"


@inference_app.command()
def usage(
    stack: Stack = "local",
    by: Annotated[By, typer.Option("--by", help="A line for each of these.")] = By.MODEL,
    since: Annotated[
        datetime | None, typer.Option("--since", formats=["%Y-%m-%d"], help="First day, UTC.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="First day left out, UTC.")
    ] = None,
    ledger_env: Ledger = None,
    as_json: Json = False,
) -> None:
    """Show tokens and dollars from the ledger, and how much of each budget is left."""
    from sophia_infra.cli.inference_usage import run_usage

    if since is not None and until is not None and until <= since:
        raise typer.BadParameter("is not after --since, and is itself left out.", param_hint="'--until'")
    raise typer.Exit(int(run_usage(stack, by.value, since, until, ledger_env=ledger_env, as_json=as_json)))


@inference_app.command()
def models(stack: Stack = "local", as_json: Json = False) -> None:
    """List the models of the catalogue: context, dollars per million tokens, which backend serves them."""
    from sophia_infra.cli.inference_models import run_models

    raise typer.Exit(int(run_models(stack, as_json=as_json)))


@inference_app.command("break-even")
def break_even(
    model: Annotated[str, typer.Option("--model", help="Model whose tokens are bought.")] = (
        "llama-4-scout-17b-16e-instruct"
    ),
    instance_type: Annotated[
        str, typer.Option("--type", help="Machine that would serve it.")
    ] = "gpu_1x_a100",
    hours: Annotated[
        float, typer.Option("--hours", min=1, max=744, callback=finite, help="Hours a month that it runs.")
    ] = 720,
    ratio: Annotated[str, typer.Option("--ratio", help="Input tokens for each output token.")] = "3",
    tokens_per_s: Annotated[
        float | None,
        typer.Option(
            "--tokens-per-s", min=0, callback=finite, help="What the machine can do at most, measured by you."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw it: a file that ends in .svg or .png.")
    ] = None,
    as_json: Json = False,
) -> None:
    """From how many tokens a month an own GPU is cheaper, with the plan's 930 -> 250 beside it."""
    from sophia_infra.cli.inference_break_even import run_break_even

    code = run_break_even(
        model, instance_type, hours=hours, ratio=ratio, tokens_per_s=tokens_per_s, plot=plot, as_json=as_json
    )
    raise typer.Exit(int(code))


@inference_app.command()
def configure(
    stack: Stack = "local",
    new_key: Annotated[
        list[str] | None,
        typer.Option("--new-key", metavar="USER", help="Replace this user's key; may be repeated."),
    ] = None,
    write: Annotated[
        Path | None, typer.Option("--write", help="Write a client's settings here; they hold no key.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    as_json: Json = False,
) -> None:
    """Give every user of the gateway a key, once, and say what a client needs. Prints no key."""
    from sophia_infra.cli.inference_configure import run_configure
    from sophia_infra.cli.secrets_running import reporting

    with reporting(as_json=as_json):
        code = run_configure(stack, new_keys=new_key or (), write=write, dry_run=dry_run, as_json=as_json)
        raise typer.Exit(int(code))


@inference_app.command()
def copy(
    to_env: Annotated[
        str, typer.Option("--to-env", metavar="NAME", help="Variable with Snowflake's SQLAlchemy URL.")
    ],
    stack: Stack = "local",
    ledger_env: Ledger = None,
    as_json: Json = False,
) -> None:
    """Copy what is new in the ledger to Snowflake; each request once, however often it runs."""
    from sophia_infra.cli.inference_usage import run_copy

    raise typer.Exit(int(run_copy(stack, to_env, ledger_env=ledger_env, as_json=as_json)))
