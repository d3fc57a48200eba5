"""Lines of a file that each hold the SHA-256 of the line before: how one is added, what the next must hold.

A line that is changed, moved or taken out of the middle shows. Taking off the end does not: whoever may write
the file may do that.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from filelock import FileLock

from sophia_infra.privacy import make_private_folders

__all__ = ["ChainedFile", "add_line", "broken_links", "holds_line", "last_hash"]

_FIRST: Final = "0" * 64
_LOCK_TIMEOUT_S: Final = 10.0
_BLOCK_BYTES: Final = 4096


class ChainedFile:
    """JSON documents, one a line, whose field `previous` is the hash of the line before.

    Any number of threads and processes may append. It is made with mode 0600 in a folder of mode 0700.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, build: Callable[[str], Mapping[str, Any]]) -> None:
        """Add one line and have it on the disk before this returns. Raises OSError.

        Args:
            build: called alone at the file, from what `previous` has to be to the document.
        """
        with _locked(self.path):
            add_line(self.path, json.dumps(build(last_hash(self.path)), ensure_ascii=True))

    def lines(self) -> list[bytes]:
        """All lines, oldest first; none where there is no file. Raises OSError."""
        try:
            return self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return []

    def documents(self) -> list[dict[str, Any]]:
        """All documents that can be read, oldest first. Raises OSError."""
        return [one for one in map(_document, self.lines()) if one is not None]

    def verify(self) -> list[str]:
        """One sentence per place where the chain is broken, as `broken_links`. Raises OSError."""
        rows = [(line, _document(line)) for line in self.lines()]
        return broken_links((line, None if one is None else str(one.get("previous"))) for line, one in rows)


def last_hash(path: Path) -> str:
    """What the next line has to hold. Reads only the end of the file. Raises OSError."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            block, last = file.tell(), b""
            while block > 0 and last.rstrip(b"\n").count(b"\n") == 0:
                step = min(_BLOCK_BYTES, block)
                block -= step
                file.seek(block)
                last = file.read(step) + last
    except FileNotFoundError:
        return _FIRST
    lines = last.splitlines()
    return _hash(lines[-1]) if lines else _FIRST


def add_line(path: Path, line: str) -> None:
    """Append `line`, and have it on the disk before this returns; the file has mode 0600. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        end = os.lseek(descriptor, 0, os.SEEK_END)
        # A line cut off by a crash stays, ends here, and shows in `broken_links`.
        cut = end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"
        text = (b"\n" if cut else b"") + line.encode() + b"\n"
        if os.write(descriptor, text) < len(text):
            os.ftruncate(descriptor, end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def broken_links(lines: Iterable[tuple[bytes, str | None]]) -> list[str]:
    """One sentence per place where the chain is broken; none: no line changed since it was written.

    Args:
        lines: each line, and the hash that it holds; None for a line that is no entry.
    """
    problems, expected = [], _FIRST
    for number, (line, held) in enumerate(lines, start=1):
        if held is None:
            problems.append(f"line {number} is no entry")
        elif held != expected:
            problems.append(f"line {number} does not follow the line before it")
        expected = _hash(line)
    return problems


def holds_line(path: Path, line_hash: str) -> bool:
    """Whether a line of the file has this hash. Raises OSError unless there is no file."""
    try:
        return any(_hash(line) == line_hash for line in path.read_bytes().splitlines())
    except FileNotFoundError:
        return False


def _document(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone at the file, against threads and processes. Raises OSError, of which filelock.Timeout is one."""
    make_private_folders(path.parent)
    with FileLock(f"{path}.lock", timeout=_LOCK_TIMEOUT_S, mode=0o600):
        yield


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
