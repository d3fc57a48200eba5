"""What `sophia baseline capture` and `compare` do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.validation.baseline import Baseline, capture, read_baseline
from sophia_infra.validation.files import check_output, write_whole

if TYPE_CHECKING:
    from sophia_infra.validation.world import World

__all__ = ["run_capture", "run_compare"]


def run_capture(
    stack: str,
    *,
    out: Path | None,
    overwrite: bool,
    prometheus: str | None,
    gateway: str | None,
    as_json: bool,
) -> ExitCode:
    """Write what the stack is now. A whole baseline of this stack in `out` stays: it is from before.

    Returns:
        OK, also when it was there; CLOUD when a source did not answer: it is written without that source.

    Raises:
        BaselineRefused: `out` holds something else.
        FileRefused: it cannot be written.
    """
    from sophia_infra.cli.stack_context import open_stack
    from sophia_infra.cli.validate_world import baselines_folder, gather_world
    from sophia_infra.cli.views import short_path
    from sophia_infra.engine.home import make_private_folder

    if out is not None:
        check_output(out)
        if out.exists() and not overwrite:
            kept = read_baseline(out, stack)
            _say(kept, out, f"Kept: {short_path(out.absolute())} of {kept.taken_at}.", as_json=as_json)
            return ExitCode.OK
    context = open_stack(stack)
    world = gather_world(context, prometheus=prometheus, gateway=gateway)
    found = capture(world)
    text = json.dumps(found.as_json(), indent=2) + "\n"
    folder = baselines_folder(context.home, context.name)
    make_private_folder(folder.parent)
    make_private_folder(folder)
    own = folder / f"{found.taken_at.replace(':', '')}.json"
    write_whole(own, text)
    if out is not None:
        write_whole(out, text)
    target = out or own
    said = f"{found.known} of {len(found.values)} figures known. Written: {short_path(target.absolute())}"
    _say(found, target, said, as_json=as_json)
    return _trouble(world)


def run_compare(
    stack: str, *, file: Path | None, prometheus: str | None, gateway: str | None, as_json: bool
) -> ExitCode:
    """Show a baseline beside what the stack is now.

    Args:
        file: default: the oldest that was captured here.

    Raises BaselineRefused: there is none, or it cannot be used; nobody was asked then.
    """
    from sophia_infra.cli.stack_context import open_stack
    from sophia_infra.cli.validate_world import baselines_folder, gather_world
    from sophia_infra.validation.comparison import compare

    context = open_stack(stack)
    if file is None:
        kept = sorted(baselines_folder(context.home, context.name).glob("*.json"))
        file = kept[0] if kept else baselines_folder(context.home, context.name)
    before = read_baseline(file, context.name)
    world = gather_world(context, prometheus=prometheus, gateway=gateway)
    comparison = compare(before, capture(world))
    if as_json:
        print(json.dumps(comparison.as_json(), indent=2))
    else:
        from sophia_infra.cli.validate_views import show_comparison
        from sophia_infra.cli.views import make_console

        show_comparison(make_console(), comparison)
    return _trouble(world)


def _say(found: Baseline, file: Path, said: str, *, as_json: bool) -> None:
    print(json.dumps({"path": str(file.absolute()), **found.as_json()}, indent=2) if as_json else said)


def _trouble(world: World) -> ExitCode:
    sys.stdout.flush()
    for line in world.trouble:
        print(f"sophia: {line}", file=sys.stderr)
    return ExitCode.CLOUD if world.trouble else ExitCode.OK
