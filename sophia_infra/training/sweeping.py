"""End machines of runs that are over, whoever launched them: for cron, a CronJob or the exporter's host.

Only machines with all tags of a run of this stack are ever touched. What decides is on the machine itself:
its deadline. Where the run's record lies on this disk too, a run that nobody attends any more counts as over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from sophia_infra.lambda_cloud import Instance, LambdaCloudError
from sophia_infra.provider.errors import ProviderError
from sophia_infra.provider.instance_spec import LIVE_STATUSES
from sophia_infra.provider.run_tags import RunTags
from sophia_infra.provider.session import Session
from sophia_infra.training.closing import close_dead_run
from sophia_infra.training.context import RunMeans
from sophia_infra.training.errors import RecordUnusable, RunHeld, TrainingError
from sophia_infra.training.machines import end_machines, find_machines
from sophia_infra.training.run_folder import RunFolder

__all__ = ["GRACE_S", "SweepReport", "Swept", "sweep"]

GRACE_S: Final = 1800.0
"""How long a run may be without a living starter and watchdog before it counts as dead."""


@dataclass(frozen=True, slots=True)
class Swept:
    """One machine that was ended, or would be."""

    run_id: str
    number: int
    instance_id: str
    usd_per_hour: Decimal
    why: str

    def as_json(self) -> dict[str, Any]:
        """Plain data; money as decimal text."""
        return {
            "run": self.run_id,
            "node": self.number,
            "id": self.instance_id,
            "usd_per_hour": str(self.usd_per_hour),
            "why": self.why,
        }


@dataclass(slots=True)
class SweepReport:
    """What one sweep did: counted is only what the list showed ended."""

    ended: list[Swept] = field(default_factory=list)
    kept: int = 0
    watchdogs_started: int = 0
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "ended": [one.as_json() for one in self.ended],
            "kept": self.kept,
            "watchdogs_started": self.watchdogs_started,
            "problems": self.problems,
        }


def sweep(
    session: Session,
    stack: str,
    runs: Collection[RunFolder],
    means: RunMeans,
    *,
    grace_s: float = GRACE_S,
    dry_run: bool = False,
    start_watchdog: Callable[[RunFolder], None] | None = None,
) -> SweepReport:
    """One pass. A run that fails is a problem of the report, and the others are swept all the same.

    Args:
        stack: "project/stack"; machines of others are not looked at.
        runs: those whose record is on this machine.
        start_watchdog: called for a run that goes on without one; None: nothing is started.

    Raises:
        LambdaCloudError: the list could not be read; nothing was touched.
    """
    report = SweepReport()
    by_run: dict[str, list[Instance]] = defaultdict(list)
    for row in find_machines(session.instances.rows(0), stack):
        tags = RunTags.of(row.tags)
        if tags is not None and row.status in LIVE_STATUSES:
            by_run[tags.run_id].append(row)
    folders = {folder.run_id: folder for folder in runs}
    for run_id in sorted({*by_run, *folders}):
        living, folder = by_run.get(run_id, []), folders.get(run_id)
        try:
            _sweep_run(session, stack, folder, living, means, report, grace_s, dry_run, start_watchdog)
        except (LambdaCloudError, ProviderError, TrainingError, OSError) as error:
            report.problems.append(f"run {run_id}: {error}")
    return report


def _sweep_run(
    session: Session,
    stack: str,
    folder: RunFolder | None,
    living: list[Instance],
    means: RunMeans,
    report: SweepReport,
    grace_s: float,
    dry_run: bool,
    start_watchdog: Callable[[RunFolder], None] | None,
) -> None:
    now_s = session.clock.now()
    dead_because = None if folder is None else _dead_because(folder, stack, now_s, grace_s)
    overdue = [row for row in living if (tags := RunTags.of(row.tags)) and tags.deadline_s <= now_s]
    doomed = living if dead_because else overdue
    why = dead_because or "its deadline has passed"
    report.kept += len(living) - len(doomed)
    if not dry_run and folder is not None and dead_because:
        _close(folder, means, why)
    elif not dry_run and doomed:
        end_machines(session, doomed)
    report.ended += _swept(doomed, why)
    goes_on = folder is not None and len(living) > len(doomed) and not folder.is_held("watchdog")
    if goes_on and folder is not None and start_watchdog is not None and not dry_run:
        start_watchdog(folder)
        report.watchdogs_started += 1


def _dead_because(folder: RunFolder, stack: str, now_s: float, grace_s: float) -> str | None:
    """Why a run that is recorded here is over although its record is open, None when it is not."""
    try:
        if folder.spec().stack != stack:
            return None
        state = folder.state()
    except RecordUnusable:
        return None
    if state.phase == "ended" or folder.is_held("starter"):
        return None
    if state.phase == "ending":
        return "its starter died while it ended"
    if folder.stop_asked:
        return "it was asked to stop, and its starter is dead"
    if state.deadline_s is not None and state.deadline_s <= now_s:
        return "its deadline has passed"
    if not folder.is_held("watchdog") and now_s - state.attended_s > grace_s:
        return f"nobody has attended it for {(now_s - state.attended_s) / 60:.0f} min"
    return None


def _close(folder: RunFolder, means: RunMeans, why: str) -> None:
    outcome = folder.state().outcome or ("cap" if "deadline" in why else "stopped")
    try:
        close_dead_run(folder, means, outcome, f"Ended by a sweep: {why}.")
    except RunHeld:
        return  # its starter has come back, and looks after its own deadline


def _swept(machines: Iterable[Instance], why: str) -> list[Swept]:
    found = []
    for row in machines:
        tags = RunTags.of(row.tags)
        if tags is not None:
            found.append(Swept(tags.run_id, tags.number, row.id, row.instance_type.usd_per_hour, why))
    return found
