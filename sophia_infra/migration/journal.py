"""How far the migration of a stack has come: chained lines, each on the disk before the next thing is done.

    plan        the plan's first day, given by --start
    phase       a round of a phase begins; a new round forgets the steps of the one before
    begun       a step's action is about to start
    child       its process id and start, so that a later run can tell whether it still runs
    done        the check was green, or a later run found it so
    failed      the command ended badly, or the gate or check was red
    undo        the undo is about to start
    undone      it has ended well

A process that died left its last line, and the next run begins there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, Literal, cast

from filelock import FileLock, Timeout

from sophia_infra.audit.actor import who_acts
from sophia_infra.audit.chained_file import ChainedFile
from sophia_infra.migration.errors import JournalUnusable, RunnerBusy
from sophia_infra.migration.steps import PhaseName

__all__ = ["Journal", "Progress", "StepRecord", "StepStatus"]

StepStatus = Literal["begun", "done", "failed", "undo", "undone"]
_STEP_EVENTS: Final = frozenset({"begun", "done", "failed", "undo", "undone"})


@dataclass(slots=True)
class StepRecord:
    """A step as its lines tell it. `child` is (process id, start time in clock ticks) of its last command."""

    status: StepStatus
    when: str
    attempts: int = 0
    exit_code: int | None = None
    log_file: str | None = None
    child: tuple[int, int] | None = None


@dataclass(slots=True)
class Progress:
    """What the whole journal says.

    Attributes:
        start: first day of the plan, None where nobody gave one.
        rounds: phase -> how often it was begun.
        steps: step id -> its record in the present round of its phase.
    """

    start: date | None = None
    rounds: dict[PhaseName, int] = field(default_factory=dict)
    steps: dict[str, StepRecord] = field(default_factory=dict)

    def is_done(self, step_id: str) -> bool:
        record = self.steps.get(step_id)
        return record is not None and record.status == "done"


class Journal:
    """The journal of one stack in `folder`, which is made with mode 0700.

    Args:
        now: the time.
    """

    def __init__(self, folder: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.folder = folder
        self.path = folder / "journal.jsonl"
        self._file = ChainedFile(self.path)
        self._now = now

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only runner of the stack while the block runs; a killed one lets go by being dead.

        Raises:
            RunnerBusy: another living process is.
            JournalUnusable: the folder cannot be written, or a line of the journal was changed.
        """
        lock = FileLock(self.folder / "runner.lock", mode=0o600)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            raise RunnerBusy(
                f"Another process migrates this stack ({self.folder}).",
                next_step="`sophia migrate status` shows how far it is; wait for it or end it with Ctrl-C.",
            ) from None
        except OSError as error:
            raise self._unusable("written", error) from None
        try:
            self._check_chain()
            yield
        finally:
            lock.release()

    def append(self, event: str, **fields: Any) -> None:
        """Add one line and have it on the disk. Raises JournalUnusable: then do nothing that it announces."""
        moment = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        line = {"when": moment, "who": who_acts(), "event": event, **fields}
        try:
            self._file.append(lambda previous: {**line, "previous": previous})
        except OSError as error:
            raise self._unusable("written", error) from None

    def progress(self) -> Progress:
        """Read it all. Raises JournalUnusable."""
        try:
            return _progress(self._file.documents())
        except OSError as error:
            raise self._unusable("read", error) from None
        except (KeyError, TypeError, ValueError) as error:
            raise self._unusable("understood", error) from None

    def _check_chain(self) -> None:
        try:
            problems = self._file.verify()
        except OSError as error:
            raise self._unusable("read", error) from None
        # A line that a crash cut off is the last thing of a process that did nothing after it.
        wrong = [one for one in problems if not one.endswith("is no entry")]
        if wrong:
            raise JournalUnusable(
                f"The journal {self.path} was changed: {wrong[0]}.",
                next_step="find out by whom; move it away to begin anew: every step is safe to repeat.",
            )

    def _unusable(self, done: str, error: Exception) -> JournalUnusable:
        return JournalUnusable(
            f"The journal {self.path} cannot be {done} ({type(error).__name__}). Nothing was done.",
            next_step="free the disk or correct its permissions, then run it again.",
        )


def _progress(rows: list[dict[str, Any]]) -> Progress:
    found = Progress()
    of_phase: dict[PhaseName, set[str]] = {}
    for row in rows:
        event = row["event"]
        if event == "plan":
            found.start = date.fromisoformat(row["start"])
        elif event == "phase":
            phase = cast(PhaseName, row["phase"])
            found.rounds[phase] = found.rounds.get(phase, 0) + 1
            for step_id in of_phase.pop(phase, set()):
                found.steps.pop(step_id, None)
        elif event in _STEP_EVENTS:
            of_phase.setdefault(row["phase"], set()).add(row["step"])
            _take(found.steps, cast(StepStatus, event), row)
        elif event == "child" and row["step"] in found.steps:
            found.steps[row["step"]].child = (int(row["pid"]), int(row["started"]))
    return found


def _take(steps: dict[str, StepRecord], status: StepStatus, row: dict[str, Any]) -> None:
    record = steps.setdefault(row["step"], StepRecord(status, row["when"]))
    record.status, record.when = status, row["when"]
    if status == "begun":
        record.attempts += 1
        record.child = None
    record.exit_code = row.get("exit_code")
    record.log_file = row.get("log", record.log_file)
