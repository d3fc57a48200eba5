"""The audit log of one stack: append-only lines, each chained to the one before.

A change is two lines with one change id: `begun` before anything is sent, and how it ended. A `begun` without
an end is a process that died in the middle.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final

from sophia_infra.audit.actor import who_acts, why_acts
from sophia_infra.audit.chained_file import ChainedFile, broken_links
from sophia_infra.audit.entry import AuditEntry, Outcome, parse_entry, without_secrets
from sophia_infra.audit.errors import AuditUnavailable

__all__ = ["AuditLog", "Change", "audit_log_of"]

_SECRET_VARIABLE: Final = ("_KEY", "_TOKEN", "_PASSPHRASE", "_PASSWORD", "_SECRET")
_SHORTEST_SECRET: Final = 8


@dataclass(slots=True)
class Change:
    """A change under way. What is set here before the block of `AuditLog.change` ends is recorded then.

    Attributes:
        change: id shared by the lines of it.
        before: what was there when it began.
        after: what is there now.
        usd_per_month_change: of 720 h; None when it is not known.
        outcome: how it ended; `done` unless the block says otherwise or raises.
    """

    change: str
    before: Mapping[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    usd_per_month_change: Decimal | None = None
    outcome: Outcome = "done"


class AuditLog:
    """The log in one file; any number of threads and processes may append.

    Args:
        path: the file; it is made with mode 0600, its folder with mode 0700.
        who: written into each line; None: who runs this process.
        now: the time.
        environ: read for `SOPHIA_WHY`, and for secrets that must not get into a line.
    """

    def __init__(
        self,
        path: Path,
        *,
        who: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.path = path
        self._file = ChainedFile(path)
        self._who = who_acts(environ) if who is None else who
        self._now = now
        self._environ = environ

    def record(
        self,
        *,
        action: str,
        subject: str,
        why: str,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        usd_per_month_change: Decimal | None = None,
        outcome: Outcome = "done",
        change: str | None = None,
    ) -> str:
        """Append one line and have it on the disk. The arguments are those of `AuditEntry`.

        Args:
            before, after: plain values (text, numbers, lists, mappings); anything else is recorded as its
                text. What is named like a secret, or equals one of the environment, is left out.
            change: of an earlier line about the same change; None makes a new one.

        Returns:
            The change id.

        Raises:
            AuditUnavailable: it cannot be written; what was to be recorded must not be done.
        """
        change = change or secrets.token_hex(6)
        known = self._secrets()
        texts = without_secrets({"action": action, "subject": subject, "why": self._why(why)}, known)

        def entry_after(previous: str) -> dict[str, Any]:
            return AuditEntry(
                when=self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                who=self._who,
                action=texts["action"],
                subject=texts["subject"],
                why=texts["why"],
                before=without_secrets(before or {}, known),
                after=without_secrets(after or {}, known),
                usd_per_month_change=usd_per_month_change,
                outcome=outcome,
                change=change,
                previous=previous,
            ).as_json()

        try:
            self._file.append(entry_after)
        except OSError as error:
            left = "so nothing was done" if outcome == "begun" else f"so its outcome ({outcome}) is not in it"
            raise AuditUnavailable(
                f"The audit log {self.path} cannot be written ({type(error).__name__}), {left}.",
                next_step="free the disk or correct its permissions, then run it again.",
            ) from None
        return change

    @contextmanager
    def change(
        self,
        *,
        action: str,
        subject: str,
        why: str,
        before: Mapping[str, Any] | None = None,
        usd_per_month_change: Decimal | None = None,
    ) -> Iterator[Change]:
        """Record `begun`, run the block, record how it ended: `done`, `failed` or `interrupted` (Ctrl-C).

        An error of the block passes through; its class is recorded, not its text, which may hold anything.

        Raises:
            AuditUnavailable: before the block, which then does not run, or after it.
        """
        note = partial(self.record, action=action, subject=subject, why=why, before=before)
        change = Change(
            note(outcome="begun", usd_per_month_change=usd_per_month_change),
            before=before or {},
            usd_per_month_change=usd_per_month_change,
        )
        try:
            yield change
        except BaseException as error:
            outcome: Outcome = "failed" if isinstance(error, Exception) else "interrupted"
            after = {**change.after, "error": type(error).__name__}
            note(after=after, outcome=outcome, change=change.change)
            raise
        note(
            after=change.after,
            usd_per_month_change=change.usd_per_month_change,
            outcome=change.outcome,
            change=change.change,
        )

    def entries(self) -> list[AuditEntry]:
        """All lines that can be read, oldest first. Raises AuditUnavailable."""
        return [entry for _, entry in self._parsed() if entry is not None]

    def verify(self) -> list[str]:
        """One sentence per place where the chain is broken; none: no line changed since it was written.

        Raises AuditUnavailable.
        """
        return broken_links((line, entry.previous if entry else None) for line, entry in self._parsed())

    def _parsed(self) -> Iterator[tuple[bytes, AuditEntry | None]]:
        try:
            lines = self._file.lines()
        except OSError as error:
            raise AuditUnavailable(
                f"The audit log {self.path} cannot be read ({type(error).__name__}).",
                next_step="correct its owner and mode, then run it again.",
            ) from None
        for line in lines:
            yield line, parse_entry(line)

    def _why(self, reason: str) -> str:
        return why_acts(reason, self._environ)

    def _secrets(self) -> frozenset[str]:
        return frozenset(
            value
            for name, value in self._environ.items()
            if name.upper().endswith(_SECRET_VARIABLE) and len(value) >= _SHORTEST_SECRET
        )


def audit_log_of(home_root: Path, stack: str) -> AuditLog:
    """The log of a stack, `<home>/audit/stacks/<stack>.jsonl`; `home_root` is `engine.home.Home.root`."""
    return AuditLog(home_root / "audit" / "stacks" / f"{stack}.jsonl")
