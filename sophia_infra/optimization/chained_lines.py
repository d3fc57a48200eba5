"""JSON documents, one a line, each with the hash of the line before: a change in the middle shows.

The form of `operations.audit_log`, for documents of any fields. Taking off the end does not show; whoever may
write the file may do that.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from sophia_infra.optimization.errors import LogUnusable

__all__ = ["ChainedLines"]

_FIRST: Final = "0" * 64
_LOCK_TIMEOUT_S: Final = 10.0


class ChainedLines:
    """The file; any number of processes may append. It is made with mode 0600 in a folder of mode 0700."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, document: Mapping[str, Any]) -> None:
        """Add one line and have it on the disk before this returns.

        Raises:
            LogUnusable: it cannot be written; what was to be recorded must not be done.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock", timeout=_LOCK_TIMEOUT_S, mode=0o600):
                line = json.dumps({**document, "previous": self._last_hash()}, ensure_ascii=True)
                self._write(line)
        except (OSError, Timeout) as error:
            raise LogUnusable(
                f"The action log {self.path} cannot be written ({type(error).__name__}).",
                next_step="free the disk or correct its permissions; nothing was done.",
            ) from None

    def read(self) -> list[dict[str, Any]]:
        """All documents that can be read, oldest first."""
        return [document for _, document in self._lines() if document is not None]

    def verify(self) -> list[str]:
        """One sentence per place where the chain is broken; none: no line changed since it was written."""
        problems, expected = [], _FIRST
        for number, (line, document) in enumerate(self._lines(), start=1):
            if document is None:
                problems.append(f"line {number} is no entry")
            elif document.get("previous") != expected:
                problems.append(f"line {number} does not follow the line before it")
            expected = hashlib.sha256(line).hexdigest()
        return problems

    def _lines(self) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise LogUnusable(
                f"The action log {self.path} cannot be read ({error.strerror}).",
                next_step="correct its permissions; nothing is done without knowing what was done before.",
            ) from None
        for line in raw.splitlines():
            try:
                document = json.loads(line)
            except ValueError:
                document = None
            yield line, document if isinstance(document, dict) else None

    def _last_hash(self) -> str:
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return _FIRST
        return hashlib.sha256(lines[-1]).hexdigest() if lines else _FIRST

    def _write(self, line: str) -> None:
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            end = os.lseek(descriptor, 0, os.SEEK_END)
            # A line cut off by a crash stays, ends here, and shows in `verify`.
            cut = end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"
            os.write(descriptor, (b"\n" if cut else b"") + line.encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
