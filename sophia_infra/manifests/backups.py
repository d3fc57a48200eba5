"""Copies of a store on a schedule, and the way back as a CronJob that is suspended for ever.

A copy is brought back by hand, by a Job made from that CronJob:
`kubectl create job --from=cronjob/<database>-restore <name>`. It runs exactly what a drill has run before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sophia_infra.manifests.claims import build_claim, claim_name, claim_spec
from sophia_infra.manifests.classes import priority_class_manifest_name, storage_class_manifest_name
from sophia_infra.manifests.database_pods import scripts_volume
from sophia_infra.manifests.external_secrets import secret_environment
from sophia_infra.manifests.namespaces import namespace_manifest_name
from sophia_infra.manifests.network_policies import build_policy, to_pods
from sophia_infra.manifests.objects import Manifest, build_metadata, names_of
from sophia_infra.manifests.pods import (
    CONTAINER_SECURITY,
    TMP_MOUNT,
    TMP_VOLUME,
    PodIdentity,
    build_pod_template,
    service_account,
)
from sophia_infra.manifests.stores.names import backup_name, restore_name
from sophia_infra.manifests.stores.store import SCRIPTS_FOLDER, Store
from sophia_infra.model.kubernetes import BackupConfig, Cluster, DatabaseConfig, KubernetesConfig

__all__ = ["RESTORE_ANNOTATION", "backup_objects"]

RESTORE_ANNOTATION = "sophia.internal/restore"
"""On the CronJob that makes copies: how one is brought back."""

_NEVER = "0 0 1 1 *"
_HOURS_6_S = 21_600


def backup_objects(
    name: str,
    row: DatabaseConfig,
    backup: BackupConfig,
    kube: KubernetesConfig,
    cluster: Cluster,
    store: Store,
    after: tuple[str, ...],
) -> list[Manifest]:
    """Account, opening, claim where copies have one of their own, and the CronJobs."""
    own_name = backup_name(name)
    base = (namespace_manifest_name(cluster, row.namespace),)
    needs = [
        service_account(own_name, row.namespace, base),
        build_policy(own_name, row.namespace, [], to_pods([(row.namespace, name)], [row.main_port]), base),
    ]
    if store.copying.claim:
        spec = claim_spec(backup.size, kube.storage_class.name)
        needs.append(
            build_claim(name, "backup", row.namespace, spec, (*base, storage_class_manifest_name(cluster)))
        )
    first = (*names_of(*needs), *after, priority_class_manifest_name(cluster, "standard"))
    pods = _Pods(name, row, backup, kube, store)
    copying = store.copying
    how = (
        f"kubectl -n {row.namespace} create job --from=cronjob/{restore_name(name)} {name}-restore-1"
        if copying.restore is not None
        else copying.restore_note
    )
    metadata = build_metadata(own_name, row.namespace, annotations={RESTORE_ANNOTATION: how})
    made = [
        *needs,
        Manifest(f"{name}-backup-cron", pods.cron_job(metadata, copying.backup, backup.schedule), first),
    ]
    if copying.restore is not None:
        metadata = build_metadata(restore_name(name), row.namespace)
        body = pods.cron_job(metadata, copying.restore, _NEVER, suspend=True)
        made.append(Manifest(f"{name}-restore-cron", body, first))
    return made


class _Pods:
    """The pods of both CronJobs, which differ only in what they run."""

    def __init__(
        self, name: str, row: DatabaseConfig, backup: BackupConfig, kube: KubernetesConfig, store: Store
    ) -> None:
        self._name, self._row, self._backup, self._kube, self._store = name, row, backup, kube, store

    def cron_job(
        self, metadata: dict[str, Any], command: Sequence[str], schedule: str, *, suspend: bool = False
    ) -> dict[str, Any]:
        job = {
            "backoffLimit": 0 if suspend else 2,
            "activeDeadlineSeconds": _HOURS_6_S,
            "template": self._template(command),
        }
        return {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": metadata,
            "spec": {
                "schedule": schedule,
                "timeZone": "Etc/UTC",
                "suspend": suspend,
                # Two at once would write over each other; one that is late still counts.
                "concurrencyPolicy": "Forbid",
                "startingDeadlineSeconds": 3600,
                "successfulJobsHistoryLimit": 3,
                "failedJobsHistoryLimit": 3,
                "jobTemplate": {"spec": job},
            },
        }

    def _template(self, command: Sequence[str]) -> dict[str, Any]:
        own_name = backup_name(self._name)
        identity = PodIdentity(
            name=own_name,
            account=own_name,
            team=self._row.team,
            user_id=self._row.user_id,
            architectures=self._row.architectures,
            priority="standard",
            grace_s=30,
        )
        plain = {**self._store.copying.environment, "KEEP_DAYS": str(self._backup.keep_days)}
        mounts: list[dict[str, Any]] = [
            TMP_MOUNT,
            {"name": "scripts", "mountPath": SCRIPTS_FOLDER, "readOnly": True},
        ]
        volumes = [TMP_VOLUME, scripts_volume(self._name)]
        if self._store.copying.claim:
            mounts.append({"name": "copies", "mountPath": "/backup"})
            claim = {"claimName": claim_name(self._name, "backup")}
            volumes.append({"name": "copies", "persistentVolumeClaim": claim})
        container = {
            "name": "copy",
            "image": self._kube.images.pinned(self._row.image),
            "imagePullPolicy": "IfNotPresent",
            "command": list(command),
            "env": [
                *({"name": key, "value": value} for key, value in plain.items()),
                *secret_environment(self._name, self._row.secret_env),
            ],
            "resources": {
                "requests": {"cpu": "100m", "memory": "256Mi"},
                "limits": {"cpu": "1", "memory": "1Gi"},
            },
            "securityContext": CONTAINER_SECURITY,
            "volumeMounts": mounts,
        }
        return build_pod_template(identity, [container], volumes, restartPolicy="Never")
