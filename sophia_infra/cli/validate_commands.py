"""`sophia validate` and `sophia baseline`: arguments in, one function called, an exit code out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["baseline_app", "validate"]

baseline_app = typer.Typer(
    help="What the stack is now, kept for a comparison later.", no_args_is_help=True, add_completion=False
)

Stack = Annotated[str, typer.Option("--stack", "-s", help="Stack: the file Pulumi.<stack>.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Prometheus = Annotated[
    str | None,
    typer.Option(
        "--prometheus",
        metavar="URL",
        help="Prometheus of the stack: http on this machine, or https; PROMETHEUS_TOKEN is sent to it.",
    ),
]
Gateway = Annotated[
    str | None,
    typer.Option("--gateway", metavar="URL", help="A gateway to look at; default: the local stack's."),
]


def validate(
    stack: Stack = "local",
    phase: Annotated[
        int | None,
        typer.Option(
            "--phase", min=1, max=3, help="Its criteria and those of every phase, as the gate of the next."
        ),
    ] = None,
    criterion: Annotated[
        list[str] | None, typer.Option("--criterion", metavar="ID", help="Only this one; may be repeated.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="What is unknown closes the gate like a failure.")
    ] = False,
    prometheus: Prometheus = None,
    gateway: Gateway = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Also write the report as a page.")
    ] = None,
    list_only: Annotated[
        bool, typer.Option("--list", help="Only name the criteria, their targets and labels; ask nobody.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure the plan's criteria on the stack. Exit code 6 when one fails, 5 when a source is silent."""
    from sophia_infra.cli.validate_running import ValidateRequest, run_list, run_validate

    ids = tuple(criterion or ())
    if list_only:
        raise typer.Exit(int(run_list(ids, phase, as_json=as_json)))
    request = ValidateRequest(stack, phase, ids, strict, prometheus, gateway, markdown, as_json)
    raise typer.Exit(int(run_validate(request)))


@baseline_app.command()
def capture(
    stack: Stack = "local",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Where to; default: the project's folder."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a baseline that is there already.")
    ] = False,
    prometheus: Prometheus = None,
    gateway: Gateway = None,
    as_json: Json = False,
) -> None:
    """Write down what the stack is now. A baseline that is there already stays: it is from before."""
    from sophia_infra.cli.baseline_running import run_capture

    code = run_capture(
        stack, out=out, overwrite=overwrite, prometheus=prometheus, gateway=gateway, as_json=as_json
    )
    raise typer.Exit(int(code))


@baseline_app.command()
def compare(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A captured baseline; default: the oldest.")
    ] = None,
    stack: Stack = "local",
    prometheus: Prometheus = None,
    gateway: Gateway = None,
    as_json: Json = False,
) -> None:
    """Before and now side by side, with the targets of the plan."""
    from sophia_infra.cli.baseline_running import run_compare

    raise typer.Exit(
        int(run_compare(stack, file=file, prometheus=prometheus, gateway=gateway, as_json=as_json))
    )
