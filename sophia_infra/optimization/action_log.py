"""What was done to the account by itself: who, what, why, before, after, dollars. Append-only.

An action is a few lines with one action id, in this order:

    intent       written before the request leaves, with everything that an undo needs
    done         the account shows it; or
    abandoned    a later run found that it was never carried out
    kept         the health gate held until its time was over; or
    undo-intent  the gate fell, or somebody asked: what will be launched or made again
    undone       the account shows it
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal, cast

from sophia_infra.audit.actor import who_acts
from sophia_infra.audit.chained_file import ChainedFile
from sophia_infra.optimization.errors import LogUnusable, RecommendationMissing

__all__ = ["ActionLog", "ActionRecord", "Event"]

Event = Literal["dry-run", "intent", "done", "abandoned", "kept", "undo-intent", "undone"]
_LATER: Final = frozenset({"abandoned", "done", "kept", "undo-intent", "undone"})


@dataclass(slots=True)
class ActionRecord:
    """One action as its lines tell it.

    Attributes:
        state: the last event.
        begun_s: of the intent; `done_s` of done, None before it. Seconds since 1970 on the cloud's clock.
        before: description of what was there; an undo makes it again.
        undo: of the undo-intent: what was about to be made. Empty before.
        result_id: of what an undo made.
    """

    action_id: str
    recommendation_id: str
    what: str
    target_id: str
    subject: str
    why: str
    usd_per_month: Decimal
    before: Mapping[str, Any]
    begun_s: float
    state: Event = "intent"
    done_s: float | None = None
    undo: Mapping[str, Any] = field(default_factory=dict)
    result_id: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether a process died in the middle of it, or its gate is still watched."""
        return self.state in ("intent", "done", "undo-intent")


class ActionLog:
    """The log of one stack in one file.

    Args:
        path: the file; its folder is made.
        now_s: seconds since 1970 on the cloud's clock, by which limits are counted.
        who: written into each line; None: who runs this process.
    """

    def __init__(self, path: Path, now_s: Callable[[], float], *, who: str | None = None) -> None:
        self._file = ChainedFile(path)
        self._now_s = now_s
        self._who = who_acts() if who is None else who

    @property
    def path(self) -> Path:
        return self._file.path

    def check(self) -> None:
        """Refuse to go on from a log that was changed. Raises LogUnusable."""
        problems = self.verify()
        # A line that a crash cut off is the last thing of a process that did nothing after it.
        wrong = [one for one in problems if not one.endswith("is no entry")]
        if wrong:
            raise LogUnusable(
                f"The action log {self.path} was changed: {wrong[0]}.",
                next_step="find out by whom; move it away to begin a new one. Nothing was done.",
            )

    def record(self, event: Event, action_id: str, **fields: Any) -> None:
        """Add one line. Raises LogUnusable: then what it announces must not be done."""
        now_s = self._now_s()
        moment = datetime.fromtimestamp(int(now_s), tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        row = {"when": moment, "at_s": now_s, "who": self._who, "event": event, "action": action_id, **fields}
        try:
            self._file.append(lambda previous: {**row, "previous": previous})
        except OSError as error:
            raise LogUnusable(
                f"The action log {self.path} cannot be written ({type(error).__name__}).",
                next_step="free the disk or correct its permissions; nothing was done.",
            ) from None

    def rows(self) -> list[dict[str, Any]]:
        """All lines that can be read, oldest first. Raises LogUnusable."""
        try:
            return self._file.documents()
        except OSError as error:
            raise self._unreadable(error) from None

    def verify(self) -> list[str]:
        """One sentence per place where the chain is broken. Raises LogUnusable."""
        try:
            return self._file.verify()
        except OSError as error:
            raise self._unreadable(error) from None

    def new_id(self, recommendation_id: str) -> str:
        """A name for a new action: of what it is about, and of its place in the log."""
        text = f"{recommendation_id}\n{len(self.rows())}\n{self._now_s()}"
        return f"a-{hashlib.sha256(text.encode()).hexdigest()[:10]}"

    def actions(self) -> dict[str, ActionRecord]:
        """All actions by their id, oldest first; dry runs are none."""
        found: dict[str, ActionRecord] = {}
        for row in self.rows():
            event, action_id = row.get("event"), str(row.get("action"))
            if event == "intent":
                found[action_id] = _record(row)
            elif event in _LATER and action_id in found:
                _advance(found[action_id], cast(Event, event), row)
        return found

    def action(self, action_id: str) -> ActionRecord:
        """One action, by its id or by that of its recommendation: then the newest.

        Raises:
            RecommendationMissing: there is none.
            LogUnusable: the log cannot be read.
        """
        known = self.actions()
        newest_first = reversed(known.values())
        record = known.get(action_id) or next(
            (one for one in newest_first if one.recommendation_id == action_id), None
        )
        if record is None:
            raise RecommendationMissing(
                f"No action {action_id} is in the log.", next_step="`sophia optimize log` lists them."
            )
        return record

    def dry_runs(self) -> dict[str, float]:
        """Recommendation -> when a dry run last showed it."""
        rows = (row for row in self.rows() if row.get("event") == "dry-run")
        return {str(row["recommendation"]): float(row["at_s"]) for row in rows}

    def _unreadable(self, error: OSError) -> LogUnusable:
        return LogUnusable(
            f"The action log {self.path} cannot be read ({error.strerror}).",
            next_step="correct its permissions; nothing is done without knowing what was done before.",
        )


def _record(row: Mapping[str, Any]) -> ActionRecord:
    return ActionRecord(
        action_id=str(row["action"]),
        recommendation_id=str(row["recommendation"]),
        what=str(row["what"]),
        target_id=str(row["target"]),
        subject=str(row["subject"]),
        why=str(row["why"]),
        usd_per_month=Decimal(str(row["usd_per_month"])),
        before=dict(row["before"]),
        begun_s=float(row["at_s"]),
    )


def _advance(record: ActionRecord, event: Event, row: Mapping[str, Any]) -> None:
    record.state = event
    if event == "done":
        record.done_s = float(row["at_s"])
    elif event == "undo-intent":
        record.undo = dict(row["undo"])
    elif event == "undone":
        after = row.get("after")
        record.result_id = str(after["id"]) if isinstance(after, Mapping) and "id" in after else None
