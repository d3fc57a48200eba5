"""`sophia backup`: arguments in, one function called, an exit code out. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["backup_app"]

backup_app = typer.Typer(
    help="Sealed copies of configuration, state, databases and records, and the way back.",
    no_args_is_help=True,
    add_completion=False,
)

Stack = Annotated[str, typer.Option("--stack", "-s", help="Stack: the file Pulumi.<stack>.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it, and do not ask.")]
SetId = Annotated[
    str, typer.Argument(metavar="[SET]", help="Id of a set, as `list` shows it. Default: the newest.")
]


@backup_app.command()
def create(
    stack: Stack = "local",
    without: Annotated[
        list[str] | None, typer.Option("--without", metavar="DATABASE", help="Leave it out; may be repeated.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be copied, and where.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a set. One that does not come to its end is never listed as one.

    Exit code 1: a dump failed; 5: the store does not take it; 64: no key, no store, or an address is missing.
    """
    from sophia_infra.cli.backup_running import run_create

    raise typer.Exit(int(run_create(stack, tuple(without or ()), dry_run=dry_run, as_json=as_json)))


@backup_app.command("list")
def list_sets(
    stack: Stack = "local",
    max_age_minutes: Annotated[
        int | None,
        typer.Option(
            "--max-age-minutes",
            min=1,
            help="Exit with 6 when the newest whole set is older, or there is none.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the sets, their age and size, and the last drill. Needs no key."""
    from sophia_infra.cli.backup_looking import run_list

    raise typer.Exit(int(run_list(stack, max_age_minutes=max_age_minutes, as_json=as_json)))


@backup_app.command()
def verify(set_id: SetId = "latest", stack: Stack = "local", as_json: Json = False) -> None:
    """Read a set to its last byte and look into each part. Exit code 6: it cannot be brought back whole."""
    from sophia_infra.cli.backup_looking import run_verify

    raise typer.Exit(int(run_verify(stack, set_id, as_json=as_json)))


@backup_app.command()
def restore(
    set_id: SetId = "latest",
    stack: Stack = "local",
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FOLDER", help="Configuration, images and records go here.")
    ] = None,
    database: Annotated[
        str | None, typer.Option("--database", help="Bring this database back, with --url-env.")
    ] = None,
    url_env: Annotated[
        str | None,
        typer.Option("--url-env", metavar="VAR", help="Variable with the address of the database to fill."),
    ] = None,
    state: Annotated[
        bool, typer.Option("--state", help="Make the set's state the state of the stack.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Also where something is already.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Bring parts of a set back to the places named. Without --yes it says what it would do.

    Exit code 6: the set is damaged, nothing was restored; 64: of another stack or format, or a taken place.
    """
    from sophia_infra.cli.backup_restoring import RestoreRequest, run_restore

    request = RestoreRequest(stack, set_id, to, database, url_env, state=state, overwrite=overwrite)
    raise typer.Exit(int(run_restore(request, yes=yes, as_json=as_json)))


@backup_app.command()
def prune(stack: Stack = "local", yes: Yes = False, as_json: Json = False) -> None:
    """Remove what the retention does not keep; never the newest good set. Without --yes it only says what."""
    from sophia_infra.cli.backup_running import run_prune

    raise typer.Exit(int(run_prune(stack, yes=yes, as_json=as_json)))


@backup_app.command()
def drill(
    set_id: SetId = "latest",
    stack: Stack = "local",
    scratch_url_env: Annotated[
        str,
        typer.Option(
            "--scratch-url-env",
            metavar="VAR",
            help="Variable with the address of a Postgres where databases may be made for the drill.",
        ),
    ] = "SOPHIA_DRILL_URL",
    as_json: Json = False,
) -> None:
    """Restore a set beside the real thing, compare every row, and record recovery time and point.

    Exit code 6: something did not come back, or took longer than the stack file allows. The age of the set is
    measured here and judged by `list --max-age-minutes`.
    """
    from sophia_infra.cli.backup_looking import run_drill_command

    raise typer.Exit(int(run_drill_command(stack, set_id, scratch_url_env, as_json=as_json)))


@backup_app.command("new-key")
def new_key(
    file: Annotated[Path, typer.Argument(help="Where to write it, mode 0600; must not exist.")],
) -> None:
    """Make a key. Without it nothing of a copy can be read: keep it where the copies are not."""
    from sophia_infra.backup.key import new_key_file

    if not file.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {file.parent}: make it first.", param_hint="'FILE'")
    key = new_key_file(file)
    typer.echo(
        f"{file}: key {key.id}. Export SOPHIA_BACKUP_KEY_FILE={file}, and keep another copy elsewhere."
    )
