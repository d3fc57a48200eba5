"""What the commands wrote down: audit logs, backups, drills, baselines, updates; and secrets in ESC."""

from __future__ import annotations

from collections.abc import Sequence

from sophia_infra.operations.secrets import SecretFinding
from sophia_infra.reports.figures import utc_text
from sophia_infra.validation.checks.kubernetes import with_objects
from sophia_infra.validation.measured import Measured, judge, not_known, of_figure
from sophia_infra.validation.objects import Objects
from sophia_infra.validation.updates import Update
from sophia_infra.validation.world import BackupFacts, ChainFacts, DrillFacts, World

__all__ = [
    "backup_is_young",
    "backups_are_scheduled",
    "baseline_is_there",
    "chains_are_whole",
    "deployment_is_within",
    "drill_succeeded",
    "every_consumer_is_synced",
    "last_update_succeeded",
    "secrets_are_complete",
    "secrets_are_young",
]

_HOUR_S = 3600.0
_DAY_S = 86_400.0
_OVERDUE = "overdue"


def chains_are_whole(world: World, _argument: str) -> Measured:
    """No line of an audit log was changed or taken out."""

    def read(chains: Sequence[ChainFacts]) -> tuple[bool, str]:
        broken = [f"{one.path.name}: {problem}" for one in chains for problem in one.problems]
        lines = sum(one.lines for one in chains)
        return not broken, "; ".join(broken) or f"{lines} lines in {len(chains)} logs, all chained"

    return of_figure(world.chains, world.command("audit verify"), read)


def backup_is_young(world: World, hours: str) -> Measured:
    """The newest backup set is at most so old."""

    def read(found: BackupFacts) -> tuple[bool, str]:
        if found.newest_at_s is None:
            return False, f"no set in {found.where}"
        age_h = (world.taken_at_s - found.newest_at_s) / _HOUR_S
        return age_h <= float(hours), f"{age_h:.1f} h old, {found.count} sets in {found.where}"

    return of_figure(world.backups, world.command("backup list"), read)


def drill_succeeded(world: World, days: str) -> Measured:
    """The last restore drill succeeded and is at most so many days old."""

    def read(drill: DrillFacts) -> tuple[bool, str]:
        age_days = (world.taken_at_s - drill.at_s) / _DAY_S
        shown = (
            f"{'succeeded' if drill.succeeded else 'failed'} on {utc_text(drill.at_s)} in "
            f"{drill.rto_s:.0f} s, with data {drill.rpo_s / 60:.0f} min old"
        )
        return drill.succeeded and age_days <= float(days), shown

    return of_figure(world.drill, str(world.drill.source), read)


def backups_are_scheduled(world: World, _argument: str) -> Measured:
    """Every database has a CronJob that copies it."""

    def read(_kube: object, objects: Objects) -> tuple[bool, str]:
        jobs = sorted(
            row["metadata"]["name"]
            for row in objects.of("CronJob")
            if row["metadata"]["name"].endswith("-backup")
        )
        return bool(jobs), ", ".join(jobs) or "no CronJob copies anything"

    return with_objects(world, read, first_phase=2)


def baseline_is_there(world: World, _argument: str) -> Measured:
    """Somebody measured what was before."""
    evidence = world.command("baseline capture")
    if not world.baselines:
        return not_known("no baseline was captured", evidence)
    return judge(True, f"{len(world.baselines)}, the first {world.baselines[0].name}", evidence)


def deployment_is_within(world: World, seconds: str) -> Measured:
    """The last update that changed something and succeeded took no longer."""

    def read(updates: Sequence[Update]) -> tuple[bool, str]:
        done = [row for row in updates if row.kind == "update" and row.succeeded and row.changed]
        if not done:
            return False, "no update has succeeded"
        last = done[-1]
        shown = f"{last.duration_s} s for {last.changed} changes on {utc_text(last.started_s)}"
        return last.duration_s <= float(seconds), shown

    return of_figure(world.updates, world.updates.source, read)


def last_update_succeeded(world: World, _argument: str) -> Measured:
    """The engine finished what it was asked for last."""

    def read(updates: Sequence[Update]) -> tuple[bool, str]:
        last = updates[-1]
        return last.succeeded, f"{last.kind} of {utc_text(last.started_s)} " + (
            "succeeded" if last.succeeded else "failed"
        )

    return of_figure(world.updates, world.updates.source, read)


def secrets_are_complete(world: World, _argument: str) -> Measured:
    """Everything that a service needs is in the environment, as a secret, with a value."""
    return of_figure(
        world.secrets,
        world.command("secrets check"),
        lambda found: _told([row for row in found if row.kind != _OVERDUE], "nothing is missing"),
    )


def secrets_are_young(world: World, _argument: str) -> Measured:
    """No secret is older than its period."""
    return of_figure(
        world.secrets,
        world.command("secrets check"),
        lambda found: _told([row for row in found if row.kind == _OVERDUE], "none is overdue"),
    )


def every_consumer_is_synced(world: World, _argument: str) -> Measured:
    """Every service that needs secrets has its ExternalSecret, and the store is of the served version."""

    def read(_kube: object, objects: Objects) -> tuple[bool, str]:
        there = objects.named("ExternalSecret").keys()
        missing = [
            f"{one.namespace}/{one.name}" for one in world.consumers if (one.namespace, one.name) not in there
        ]
        if not objects.of("ClusterSecretStore"):
            return False, "no ClusterSecretStore"
        shown = f"{len(world.consumers) - len(missing)} of {len(world.consumers)}"
        return not missing, shown + (f": not {', '.join(missing)}" if missing else "")

    if not world.consumers:
        return not_known("off: nothing of the stack gets secrets", world.name)
    return with_objects(world, read, first_phase=2)


def _told(findings: Sequence[SecretFinding], none: str) -> tuple[bool, str]:
    return not findings, "; ".join(f"{row.subject} {row.message}" for row in findings) or none
