"""The `sophia` command: arguments in, one room called, an exit code out.

Only what the chosen command needs is imported, inside it: `sophia types --offline` must answer in 0.25 s.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import click
import typer

from sophia_infra.cli.adopt_commands import add_adopt_command
from sophia_infra.cli.audit_commands import audit_app
from sophia_infra.cli.backup_commands import backup_app
from sophia_infra.cli.canary_commands import canary_app
from sophia_infra.cli.cost_commands import cost_app
from sophia_infra.cli.cutover_commands import cutover_app
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.failures import reporting_failures
from sophia_infra.cli.inference_commands import inference_app
from sophia_infra.cli.migrate_commands import migrate_app
from sophia_infra.cli.monitoring_commands import add_monitoring_commands
from sophia_infra.cli.optimize_commands import optimize_app
from sophia_infra.cli.promote_commands import add_promote_command
from sophia_infra.cli.rollback_commands import rollback_app
from sophia_infra.cli.scaler_commands import scaler_app
from sophia_infra.cli.secrets_commands import secrets_app
from sophia_infra.cli.train_commands import train_app
from sophia_infra.cli.validate_commands import baseline_app, validate
from sophia_infra.privacy import forbid_core_dumps

__all__ = ["app", "main"]

app = typer.Typer(
    help="A budgeted GPU platform on Lambda Cloud, from one typed file per stack.",
    no_args_is_help=True,
    add_completion=False,
    suggest_commands=False,  # click makes the same suggestion
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(audit_app, name="audit")
app.add_typer(backup_app, name="backup")
app.add_typer(canary_app, name="canary")
app.add_typer(baseline_app, name="baseline")
app.add_typer(cost_app, name="cost")
app.add_typer(cutover_app, name="cutover")
app.add_typer(inference_app, name="inference")
app.add_typer(migrate_app, name="migrate")
app.add_typer(optimize_app, name="optimize")
app.add_typer(rollback_app, name="rollback")
app.add_typer(scaler_app, name="scaler")
app.add_typer(secrets_app, name="secrets")
app.add_typer(train_app, name="train")

for _group in app.registered_groups:
    if _group.typer_instance is not None:
        _group.typer_instance.suggest_commands = False

_ARGPARSE_USAGE = 2

Stack = Annotated[str, typer.Option("--stack", "-s", help="Stack: the file Pulumi.<stack>.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Phase = Annotated[
    int | None, typer.Option("--phase", min=1, max=3, help="Phase to bring up, remembered for later runs.")
]
PolicyPacks = Annotated[
    list[Path] | None,
    typer.Option(
        "--policy-pack",
        exists=True,
        file_okay=False,
        resolve_path=True,
        help="Folder of a policy pack; may be repeated.",
    ),
]
PolicyPackConfigs = Annotated[
    list[Path] | None,
    typer.Option(
        "--policy-pack-config",
        exists=True,
        dir_okay=False,
        resolve_path=True,
        help="Its configuration, in the same order.",
    ),
]
Refresh = Annotated[bool, typer.Option("--refresh", help="Read every resource from the cloud first.")]


def _say_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"sophia {version('sophia-infra')}")
        raise typer.Exit


@app.callback()
def _before_every_command(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_say_version, help="Show the version and end."),
    ] = False,
) -> None:
    """Only what is said of `sophia` itself."""


@app.command()
def up(
    stack: Stack = "local",
    phase: Phase = None,
    refresh: Refresh = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    yes: Yes = False,
    cluster: Annotated[
        bool | None,
        typer.Option(
            "--cluster/--no-cluster",
            help="Emulator stacks: a real Kubernetes control plane here, or manifests in a folder (first "
            "default); remembered until `down`.",
        ),
    ] = None,
    policy_pack: PolicyPacks = None,
    policy_pack_config: PolicyPackConfigs = None,
    as_json: Json = False,
) -> None:
    """Bring the stack up and show what runs, where, and what it costs."""
    from sophia_infra.cli.previewing import run_preview
    from sophia_infra.cli.update import UpRequest, run_up

    packs, configs = tuple(policy_pack or ()), tuple(policy_pack_config or ())
    request = UpRequest(stack, phase, refresh, as_json, packs, configs, cluster)
    _confirm_if_real(
        stack, yes or dry_run, f"Bring stack {stack} up on the real Lambda Cloud? It costs money."
    )
    raise typer.Exit(int(run_preview(request) if dry_run else run_up(request)))


@app.command()
def preview(
    stack: Stack = "local",
    phase: Phase = None,
    refresh: Refresh = False,
    down: Annotated[bool, typer.Option("--down", help="Show what `down` would end instead.")] = False,
    offline_prices: Annotated[
        bool, typer.Option("--offline-prices", help="Dated list prices; ask no cloud for them.")
    ] = False,
    as_json: Json = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print a pull request comment.")] = False,
    policy_pack: PolicyPacks = None,
    policy_pack_config: PolicyPackConfigs = None,
    expect_no_changes: Annotated[
        bool, typer.Option("--expect-no-changes", help="Exit with 6 when anything would change.")
    ] = False,
) -> None:
    """Show what `up` would change and cost. Exit code: 2 over budget, 3 over quota, 4 no capacity."""
    from sophia_infra.cli.previewing import run_down_preview, run_preview
    from sophia_infra.cli.update import UpRequest

    if as_json and as_markdown:
        raise typer.BadParameter("is another document than --json: ask for one.", param_hint="'--markdown'")
    packs, configs = tuple(policy_pack or ()), tuple(policy_pack_config or ())
    request = UpRequest(stack, phase, refresh, as_json, packs, configs)
    if down:
        code = run_down_preview(request, offline_prices=offline_prices, as_markdown=as_markdown)
    else:
        code = run_preview(
            request,
            offline_prices=offline_prices,
            as_markdown=as_markdown,
            expect_no_changes=expect_no_changes,
        )
    raise typer.Exit(int(code))


@app.command()
def down(
    stack: Stack = "local",
    keep_emulator: Annotated[
        bool, typer.Option("--keep-emulator", help="Leave the emulator running.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Destroy everything that the stack made, protected machines excepted."""
    from sophia_infra.cli.update import run_down

    _confirm_if_real(stack, yes, f"Destroy stack {stack} on the real Lambda Cloud? Local disks are lost.")
    raise typer.Exit(int(run_down(stack, keep_emulator=keep_emulator, as_json=as_json)))


@app.command()
def status(stack: Stack = "local", as_json: Json = False) -> None:
    """Show the stack's machines, their state, and what they cost."""
    from sophia_infra.cli.looking import run_status

    raise typer.Exit(int(run_status(stack, as_json=as_json)))


add_monitoring_commands(app)
add_promote_command(app)
app.command()(validate)
add_adopt_command(app)


@app.command()
def instances(stack: Stack = "local", as_json: Json = False) -> None:
    """List all machines of the account, of whatever stack."""
    from sophia_infra.cli.looking import run_instances

    raise typer.Exit(int(run_instances(stack, as_json=as_json)))


@app.command()
def types(
    stack: Stack = "local",
    offline: Annotated[bool, typer.Option("--offline", help="Dated list prices; ask nobody.")] = False,
    as_json: Json = False,
) -> None:
    """List instance types with price and present capacity."""
    from sophia_infra.cli.looking import run_types

    raise typer.Exit(int(run_types(stack, offline=offline, as_json=as_json)))


@app.command()
def doctor(
    stack: Stack = "local",
    terminate: Annotated[
        str | None, typer.Option("--terminate", metavar="ID", help="End this machine, which no state holds.")
    ] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Find orphans, doubles and interrupted launches, with their cost and the exact fix."""
    from sophia_infra.cli.looking import run_doctor

    raise typer.Exit(int(run_doctor(stack, terminate_id=terminate, yes=yes, as_json=as_json)))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def emulator(context: typer.Context) -> None:
    """Run a Lambda Cloud emulator on this machine, for any client."""
    from sophia_infra.emulator.__main__ import main as run_emulator

    raise typer.Exit(_code_of(lambda: run_emulator(context.args)))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def images(context: typer.Context) -> None:
    """Container images: digests of what is pulled (lock), sizes and times against their budget (budget)."""
    from sophia_infra.images.__main__ import main as run_images

    raise typer.Exit(_code_of(lambda: run_images(context.args, prog="sophia images")))


def main() -> None:
    """Entry point of the console script."""
    forbid_core_dumps()
    # click's own code for a wrong command line is 2, which here says that a preview is over budget.
    click.UsageError.exit_code = int(ExitCode.USAGE)
    with reporting_failures():
        app(prog_name="sophia")


def _code_of(run: Callable[[], int]) -> int:
    """The exit code of a command that reads its own arguments by argparse."""
    try:
        code: int | str | None = run()
    except SystemExit as leaving:
        code = leaving.code
    return int(ExitCode.USAGE) if code == _ARGPARSE_USAGE else int(code or 0)


def _confirm_if_real(stack: str, yes: bool, question: str) -> None:
    from sophia_infra.cli.confirming import ask
    from sophia_infra.cli.stack_context import open_stack

    if yes or open_stack(stack).config.endpoint == "emulator":
        return
    answer = ask(question, nothing="Nothing was sent.")
    if not answer:
        raise typer.Exit(int(ExitCode.USAGE if answer is None else ExitCode.OK))
