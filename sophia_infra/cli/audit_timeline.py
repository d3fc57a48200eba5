"""Every log of changes of a stack as one timeline: its own, that of secrets, that of advice applied."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from sophia_infra.audit.chained_file import last_hash
from sophia_infra.audit.log import audit_log_of
from sophia_infra.engine.home import Home
from sophia_infra.model.errors import Refused
from sophia_infra.operations.audit_log import AuditLog as SecretsLog
from sophia_infra.optimization.action_log import ActionLog

__all__ = ["ChainReport", "TimelineRow", "parse_since", "timeline", "verify_logs"]

_AGO: Final = re.compile(r"([1-9][0-9]{0,4})([mhdw])")
_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_EVENT_OUTCOMES: Final = {"intent": "begun", "undo-intent": "undo begun", "undone": "undone"}


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One line of any log in the common form.

    Attributes:
        when: UTC, ISO 8601 with seconds.
        usd_per_month_change: of 720 h, negative when it saves; None when unknown or not about money.
        log: `stack`, `secrets` or `advice`: whose file it stands in.
    """

    when: str
    who: str
    action: str
    subject: str
    why: str
    usd_per_month_change: Decimal | None
    outcome: str
    log: str
    change: str

    def as_json(self) -> dict[str, Any]:
        amount = self.usd_per_month_change
        return {**asdict(self), "usd_per_month_change": None if amount is None else str(amount)}


@dataclass(frozen=True, slots=True)
class ChainReport:
    """One file and its chain.

    Attributes:
        problems: one sentence per broken place, each naming its line.
        head: SHA-256 of the last line, which nothing in the file covers; None for a file that is not there.
    """

    log: str
    path: Path
    lines: int
    problems: tuple[str, ...]
    head: str | None


def timeline(home: Home, stack: str, *, since: datetime | None = None) -> list[TimelineRow]:
    """All lines from `since` on, oldest first; lines of one second stay in the order of their file.

    Raises AuditUnavailable or LogUnusable: a log is there and cannot be read.
    """
    first = "" if since is None else since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = [*_stack_rows(home, stack), *_secrets_rows(home), *_advice_rows(home, stack)]
    return sorted((row for row in rows if row.when >= first), key=lambda row: row.when)


def verify_logs(home: Home, stack: str) -> list[ChainReport]:
    """Check the chain of each log. Raises as `timeline`."""
    own, named, advice = audit_log_of(home.root, stack), _secrets_log(home), _advice_log(home, stack)
    return [
        _report("stack", own.path, own.verify()),
        _report("secrets", named.path, named.verify()),
        _report("advice", advice.path, advice.verify()),
    ]


def parse_since(text: str, now: datetime) -> datetime:
    """`30m`, `12h`, `7d`, `2w` before `now`, or a date or time in ISO 8601, UTC unless it says otherwise.

    Raises Refused: it is neither.
    """
    ago = _AGO.fullmatch(text)
    if ago:
        return now - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(
            f'{text!r} is no time: give "30m", "12h", "7d", "2w", "2026-11-24" or "2026-11-24T09:30:00Z"'
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _stack_rows(home: Home, stack: str) -> Iterator[TimelineRow]:
    for entry in audit_log_of(home.root, stack).entries():
        yield TimelineRow(
            entry.when,
            entry.who,
            entry.action,
            entry.subject,
            entry.why,
            entry.usd_per_month_change,
            entry.outcome,
            "stack",
            entry.change,
        )


def _secrets_rows(home: Home) -> Iterator[TimelineRow]:
    for entry in _secrets_log(home).entries():
        yield TimelineRow(
            entry.when,
            entry.who,
            f"secrets {entry.action}",
            f"{entry.environment} {', '.join(entry.paths)}".strip(),
            "" if entry.revision is None else f"revision {entry.revision}",
            None,
            "done" if entry.outcome == "ok" else f"failed: {entry.outcome}",
            "secrets",
            "",
        )


def _advice_rows(home: Home, stack: str) -> Iterator[TimelineRow]:
    told: dict[str, dict[str, Any]] = {}
    for row in _advice_log(home, stack).rows():
        event = str(row.get("event"))
        about = told.setdefault(str(row.get("action")), row)
        saving = about.get("usd_per_month") if event == "done" else None
        yield TimelineRow(
            str(row.get("when")),
            str(row.get("who")),
            f"optimize {about.get('what', about.get('recommendation', ''))}".strip(),
            str(about.get("subject", about.get("target", ""))),
            str(about.get("why", "")),
            None if saving is None else -Decimal(str(saving)),
            _EVENT_OUTCOMES.get(event, event),
            "advice",
            str(row.get("action")),
        )


def _secrets_log(home: Home) -> SecretsLog:
    return SecretsLog(home.root / "audit" / "secrets.jsonl")


def _advice_log(home: Home, stack: str) -> ActionLog:
    return ActionLog(home.root / "optimization" / f"{stack}.jsonl", time.time)


def _report(log: str, path: Path, problems: list[str]) -> ChainReport:
    lines = len(path.read_bytes().splitlines()) if path.exists() else 0
    return ChainReport(log, path, lines, tuple(problems), last_hash(path) if lines else None)
