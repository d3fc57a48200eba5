"""Writing generated files: nothing is touched that is right, and nobody reads half a file."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["write_if_changed"]


def write_if_changed(file: Path, text: str) -> bool:
    """Make `file` hold `text`, in one step, with the folders above it. False when it did already.

    Raises:
        OSError: the file or a folder cannot be written.
    """
    data = text.encode()
    try:
        if file.read_bytes() == data:
            return False
    except FileNotFoundError:
        file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        draft.write_bytes(data)
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return True
