"""The report's file: checked before anything is asked, and replaced whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from sophia_infra.reports.errors import OutputRefused

__all__ = ["check_output", "write_report"]

_START: Final = b"<!DOCTYPE html>"
_ANOTHER: Final = "give --out another file."


def check_output(out: Path) -> None:
    """Refuse a path that a report cannot be written to, or that holds something else.

    Raises:
        OutputRefused: it is a folder, no plain file, a file that is no page, or lies where nothing may be
            written.
    """
    target = Path(os.path.realpath(out))
    if target.is_dir():
        raise OutputRefused(
            f"{out} is a folder.", next_step=f"give a file in it: --out {out / 'report.html'}."
        )
    if not target.parent.is_dir():
        raise OutputRefused(
            f"There is no folder {out.parent}.", next_step="make it, or give --out elsewhere."
        )
    try:
        if target.exists():
            if not target.is_file():
                raise OutputRefused(f"{out} is not a plain file.", next_step=_ANOTHER)
            with target.open("rb") as stream:
                begin = stream.read(len(_START))
            if begin and begin != _START:
                raise OutputRefused(f"{out} is there and is not a report: it stays.", next_step=_ANOTHER)
    except PermissionError:
        raise _no_permission(out) from None
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise _no_permission(out)


def write_report(out: Path, text: str) -> int:
    """Replace `out` by `text` in one step; how many bytes it has.

    Raises:
        OutputRefused: it cannot be written; what was there is still there.
    """
    check_output(out)
    target = Path(os.path.realpath(out))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    content = text.encode()
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except PermissionError:
        raise _no_permission(out) from None
    except OSError as error:
        raise OutputRefused(
            f"{out} could not be written: {error.strerror}.", next_step="make room, or give --out elsewhere."
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
    return len(content)


def _no_permission(out: Path) -> OutputRefused:
    return OutputRefused(f"You may not write {out}.", next_step="give --out a file where you may.")
