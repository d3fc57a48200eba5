"""Who did what to which secret, when, and how it ended: names only, never a value.

One JSON document per line, appended to a file of mode 0600. Each line holds the SHA-256 of the line before,
so that a line that is changed, moved or taken out of the middle shows in `verify`. Taking off the end does
not show: whoever may write the file may do that; the revisions in ESC are the independent record.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from sophia_infra.audit.actor import who_acts
from sophia_infra.audit.chained_file import ChainedFile, broken_links

__all__ = ["Action", "AuditEntry", "AuditLog", "AuditUnavailable", "who_acts"]

Action = Literal["open", "check", "sync", "rotate", "init"]

_FIELDS = ("when", "who", "action", "environment", "paths", "revision", "outcome", "previous")


class AuditUnavailable(Exception):
    """The log cannot be written. What was to be recorded must not be done."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line.

    Attributes:
        when: UTC, ISO 8601 with seconds.
        who: `user@host`, with the actor of CI in front where there is one.
        environment: `organization/project/environment`.
        paths: property paths, names only.
        revision: of the environment afterwards; None when none was read or written.
        outcome: `ok`, or the class of the error.
        previous: SHA-256 of the line before, in hex.
    """

    when: str
    who: str
    action: Action
    environment: str
    paths: tuple[str, ...]
    revision: int | None
    outcome: str
    previous: str

    def as_json(self) -> dict[str, Any]:
        return {
            name: list(value) if isinstance(value := getattr(self, name), tuple) else value
            for name in _FIELDS
        }


class AuditLog:
    """The log in one file; any number of processes may append.

    Args:
        path: the file; its folder is made with mode 0700.
        who: written into each line.
        now: the time.
    """

    def __init__(
        self,
        path: Path,
        *,
        who: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.path = path
        self._file = ChainedFile(path)
        self._who = who if who is not None else who_acts()
        self._now = now

    def record(
        self,
        action: Action,
        environment: str,
        paths: Sequence[str],
        *,
        revision: int | None = None,
        outcome: str = "ok",
    ) -> None:
        """Append one line and have it on the disk. Raises AuditUnavailable."""

        def entry_after(previous: str) -> dict[str, Any]:
            return AuditEntry(
                when=self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                who=self._who,
                action=action,
                environment=environment,
                paths=tuple(paths),
                revision=revision,
                outcome=outcome,
                previous=previous,
            ).as_json()

        try:
            self._file.append(entry_after)
        except OSError as error:
            raise AuditUnavailable(
                f"The audit log {self.path} cannot be written ({type(error).__name__}), so nothing was done. "
                "Free the disk or correct its permissions, then run it again."
            ) from None

    def entries(self) -> list[AuditEntry]:
        """All lines that can be read, oldest first."""
        return [entry for _, entry in self._parsed() if entry is not None]

    def verify(self) -> list[str]:
        """One sentence per place where the chain is broken; none: no line changed since it was written."""
        return broken_links((line, str(entry.previous) if entry else None) for line, entry in self._parsed())

    def _parsed(self) -> Iterator[tuple[bytes, AuditEntry | None]]:
        for line in self._file.lines():
            yield line, _entry(line)


def _entry(line: bytes) -> AuditEntry | None:
    try:
        fields = json.loads(line)
        if tuple(fields) != _FIELDS:
            return None
        return AuditEntry(**{**fields, "paths": tuple(fields["paths"])})
    except (ValueError, TypeError):
        return None
