"""Names that a store's objects and the policies around them share."""

from __future__ import annotations

from sophia_infra.manifests.names import CRON_JOB_NAME_CHARACTERS, bounded

__all__ = ["backup_name", "headless_name", "restore_name", "scripts_name", "sentinel_name"]


def headless_name(name: str) -> str:
    """Service that gives each pod of a StatefulSet a name of its own."""
    return bounded(f"{name}-headless")


def sentinel_name(name: str) -> str:
    """Pods and Service of the Sentinels that watch a Redis."""
    return bounded(f"{name}-sentinel", CRON_JOB_NAME_CHARACTERS)


def scripts_name(name: str) -> str:
    """ConfigMap with a store's scripts and settings."""
    return bounded(f"{name}-scripts")


def backup_name(name: str) -> str:
    """CronJob, pods, account and claim of the copies."""
    return bounded(f"{name}-backup", CRON_JOB_NAME_CHARACTERS)


def restore_name(name: str) -> str:
    """Suspended CronJob that brings a copy back when a Job is made from it."""
    return bounded(f"{name}-restore", CRON_JOB_NAME_CHARACTERS)
