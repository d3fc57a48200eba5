"""What keeps the other users of a machine away from keys and state. Knows no other room."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Final

__all__ = ["PRIVATE_UMASK", "forbid_core_dumps", "make_private_folders", "open_private"]

PRIVATE_UMASK: Final = 0o077
"""For a program that we start and whose files are ours: they belong to the owner alone."""


def forbid_core_dumps() -> None:
    """No memory dump of this process, nor of any that it starts: a dump of a crash holds every key.

    Only the soft limit goes: who looks for a mistake may raise it again with `prlimit`.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def open_private(path: str, flags: int) -> int:
    """An `opener` for `open`: a file that it makes has mode 0600, whatever the umask. Raises OSError."""
    return os.open(path, flags, 0o600)


def make_private_folders(folder: Path) -> None:
    """Make `folder` and all that is missing above it with mode 0700; what exists stays as it is.

    `mkdir(parents=True)` gives its mode to the last folder only. Raises OSError.
    """
    if not folder.is_dir():
        make_private_folders(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
