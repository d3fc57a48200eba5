"""`python -m sophia_infra.images`: lock, references, arguments and budget, with nothing installed but Python.

CI calls it so on a new machine. Exit codes: 0; 5 the registry did not answer; 6 a budget is not kept; 64 a
file, an argument or this machine is not as it has to be.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sophia_infra.images.budget import budget_report
from sophia_infra.images.errors import ImagesError, Unlocked
from sophia_infra.images.lock import build_arguments, read_lock
from sophia_infra.images.locking import lock_images

__all__ = ["main"]

_LOCK: Final = Path("docker/images.lock.json")
_BUDGETS: Final = Path("docker/budgets.json")
_PROG: Final = "python -m sophia_infra.images"
_NO_ANSWER, _NOT_KEPT, _REFUSED = 5, 6, 64


def main(arguments: Sequence[str] | None = None, *, prog: str = _PROG) -> int:
    """Run one command; `arguments` are those of the process when None. Returns its exit code.

    Args:
        prog: what the user typed to get here, for messages.
    """
    chosen = _parser(prog).parse_args(arguments)
    try:
        match chosen.command:
            case "lock":
                return _lock(chosen.lock, chosen.names)
            case "references":
                return _references(chosen.lock, allow_unlocked=chosen.allow_unlocked)
            case "arguments":
                return _arguments(chosen.lock)
            case _:
                return _budget(chosen.budgets, chosen.metadata, chosen.sizes)
    except ImagesError as error:
        print(error, file=sys.stderr)
        return _NO_ANSWER if error.retry else _REFUSED


def _lock(path: Path, names: Sequence[str]) -> int:
    for change in lock_images(path, names=names):
        what = "moved" if change.moved else "locked" if change.before is None else "same"
        print(f"{what:7}{change.tag}@{change.after}")
    return 0


def _references(path: Path, *, allow_unlocked: bool) -> int:
    """`name=reference` for each image, as a step's output takes it."""
    lock = read_lock(path)
    if lock.unlocked() and not allow_unlocked:
        raise Unlocked(lock.unlocked())
    for name, image in lock.images.items():
        print(f"{name}={image.reference or image.tag}")
    return 0


def _arguments(path: Path) -> int:
    """What a `docker build` without bake needs beside the names of its own."""
    for name, reference in build_arguments(read_lock(path)).items():
        print(f"--build-arg={name}={reference}")
    return 0


def _budget(budgets: Path, metadata: Path, sizes: Path) -> int:
    report = budget_report(budgets, metadata=metadata, sizes=sizes)
    print(report.as_markdown(), end="")
    return 0 if report.kept else _NOT_KEPT


def _parser(prog: str = _PROG) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=prog)
    commands = parser.add_subparsers(dest="command", required=True)
    lock = commands.add_parser("lock", help="ask the registries for the digest of each tag")
    lock.add_argument("names", nargs="*", help="images to ask for; none for all")
    references = commands.add_parser("references", help="print name=tag@digest of each image")
    references.add_argument(
        "--allow-unlocked", action="store_true", help="print tags where there is no digest"
    )
    build = commands.add_parser(
        "arguments", help="print the --build-arg of each base, for a build without bake"
    )
    for command in (lock, references, build):
        command.add_argument("--lock", type=Path, default=_LOCK)
    budget = commands.add_parser("budget", help="compare a finished build with docker/budgets.json")
    budget.add_argument("--budgets", type=Path, default=_BUDGETS)
    budget.add_argument(
        "--metadata", type=Path, required=True, help="of the warm build: bake --metadata-file"
    )
    budget.add_argument("--sizes", type=Path, required=True, help="folder with TARGET.history.jsonl")
    return parser


if __name__ == "__main__":
    sys.exit(main())
