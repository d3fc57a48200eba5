"""JSON documents, one a line, each with the hash of the line before: a change in the middle shows.

For documents of any fields; `audit.chained_file` has the form.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import Timeout

from sophia_infra.audit.chained_file import add_line, broken_links, last_hash, locked
from sophia_infra.optimization.errors import LogUnusable

__all__ = ["ChainedLines"]


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
            with locked(self.path):
                line = json.dumps({**document, "previous": last_hash(self.path)}, ensure_ascii=True)
                add_line(self.path, line)
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
        return broken_links(
            (line, None if document is None else str(document.get("previous")))
            for line, document in self._lines()
        )

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
