"""A folder for tests that write thousands of small files and are not about the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

__all__ = ["ram_folder"]

_RAM: Final = "/dev/shm"  # noqa: S108 (a folder of its own is made in it)


@contextmanager
def ram_folder() -> Iterator[Path]:
    """An empty folder, gone afterwards: in memory where the system has one, else among temporary files.

    Replacing a file makes ext4 write it out at once, which takes longer than everything else that a step of
    these tests does.
    """
    where = _RAM if os.access(_RAM, os.W_OK | os.X_OK) else None
    with TemporaryDirectory(prefix="sophia-test-", dir=where) as name:
        yield Path(name)
