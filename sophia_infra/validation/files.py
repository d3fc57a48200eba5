"""Files of this room: written whole or not at all, and refused in words."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from sophia_infra.validation.errors import FileRefused

__all__ = ["check_output", "write_whole"]


def check_output(path: Path) -> None:
    """Refuse a path that nothing can be written to, before anything is asked. Raises FileRefused."""
    if path.is_dir():
        raise FileRefused(f"{path} is a folder.", next_step="give a file in it.")
    if not path.absolute().parent.is_dir():
        raise FileRefused(f"There is no folder {path.parent}.", next_step="make it, or give another file.")
    if not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        raise FileRefused(f"You may not write {path}.", next_step="give a file where you may.")


def write_whole(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step. Raises FileRefused; what was there is still there then."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("x", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    except OSError as error:
        raise FileRefused(
            f"{path} could not be written: {error.strerror}.", next_step="make room, or give another file."
        ) from None
    finally:
        draft.unlink(missing_ok=True)
