"""Rules about copies of databases: too old, never made, failed."""

from __future__ import annotations

from typing import Final

from sophia_infra.monitoring.rule import Alert, RuleGroup
from sophia_infra.monitoring.rules.cluster.jobs import failed_jobs
from sophia_infra.monitoring.rules.cluster.parts import OF_THE_ROW, PLATFORM, either, with_owner
from sophia_infra.monitoring.terms import Service, Terms

__all__ = ["cron_job", "groups"]

_CRON_JOB: Final = "namespace, cronjob"
_GRACE_S: Final = 7200
"""A copy may start an hour late (startingDeadlineSeconds) and take a while: with a daily one, 26 hours."""
_DAY_AND_GRACE_S: Final = 86_400 + _GRACE_S

_NAME_CHARACTERS: Final = 52
"""Longest name of a CronJob; longer ones end in a hash that is matched by a pattern."""


def cron_job(database: str) -> str:
    """Regular expression of the CronJob that copies a database, as manifests name it."""
    name = f"{database}-backup"
    return name if len(name) <= _NAME_CHARACTERS else f"{name[: _NAME_CHARACTERS - 9]}.*"


def groups(terms: Terms) -> list[RuleGroup]:
    """For the databases that have backup; nothing where none has."""
    copied = tuple(service for service in terms.services if service.has_backup)
    if not copied:
        return []
    names = "|".join(cron_job(service.name) for service in copied)
    rules = (_too_old(names, terms), _never_made(names, copied, terms), _failed(names))
    return [RuleGroup("sophia-backups", rules)]


def _too_old(names: str, terms: Terms) -> Alert:
    last, previous, following = (
        f'max by ({_CRON_JOB}) (kube_cronjob_{part}{{cronjob=~"{names}"}})'
        for part in ("status_last_successful_time", "status_last_schedule_time", "next_schedule_time")
    )
    return Alert(
        "BackupTooOld",
        # From one run to the next is the schedule's own period, whatever it is.
        _of_the_database(f"time() - {last} > {following} - {previous} + {_GRACE_S}", terms),
        for_s=0,
        severity="warning",
        owner=PLATFORM,
        labels=OF_THE_ROW,
        summary="The newest copy of {{ $labels.database }} is {{ $value | humanizeDuration }} old.",
        description="What was written since is lost if the disk is lost now. Start one by hand: "
        "`kubectl create job --from=cronjob/...`.",
    )


def _never_made(names: str, copied: tuple[Service, ...], terms: Terms) -> Alert:
    old = (
        f'time() - max by ({_CRON_JOB}) (kube_cronjob_created{{cronjob=~"{names}"}}) > {_DAY_AND_GRACE_S}\n'
        f"unless on ({_CRON_JOB}) kube_cronjob_status_last_successful_time"
    )
    gone = [
        f'absent(kube_cronjob_info{{namespace="{service.namespace}",cronjob="{cron_job(service.name)}"}})'
        for service in copied
        if "*" not in cron_job(service.name)
    ]
    return Alert(
        "BackupMissing",
        _of_the_database(f"({either(old, *gone)})", terms),
        for_s=1800,
        severity="critical",
        owner=PLATFORM,
        labels=OF_THE_ROW,
        summary="{{ $labels.database }} has no copy at all.",
        description="Its CronJob {{ $labels.cronjob }} is gone, or has never succeeded.",
    )


def _failed(names: str) -> Alert:
    return Alert(
        "BackupJobFailed",
        failed_jobs(names),
        for_s=0,
        severity="warning",
        owner=PLATFORM,
        summary="The copy {{ $labels.job_name }} in {{ $labels.namespace }} failed for good.",
        description="Three tries failed. The last good copy stays; the next run is tomorrow's.",
    )


def _of_the_database(expr: str, terms: Terms) -> str:
    named = f'label_replace({expr}, "database", "$1", "cronjob", "(.+)-backup.*")'
    return with_owner(named, terms, "database")
