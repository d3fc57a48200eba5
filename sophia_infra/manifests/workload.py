"""One row of the workload table as objects: what it needs, its Deployment, how it is reached and scaled."""

from __future__ import annotations

import math
from typing import Any

from sophia_infra.manifests.autoscaling import autoscaler
from sophia_infra.manifests.claims import build_claim, claim_name, claim_spec
from sophia_infra.manifests.classes import priority_class_manifest_name, storage_class_manifest_name
from sophia_infra.manifests.disruption import disruption_budget
from sophia_infra.manifests.external_secrets import external_secret, secret_environment
from sophia_infra.manifests.names import GPU_RESOURCE, bounded
from sophia_infra.manifests.namespaces import namespace_manifest_name
from sophia_infra.manifests.network_policies import workload_policy
from sophia_infra.manifests.objects import Manifest, build_metadata, names_of
from sophia_infra.manifests.pods import (
    CONTAINER_SECURITY,
    TMP_MOUNT,
    TMP_VOLUME,
    PodIdentity,
    build_pod_template,
    scratch_volume,
    selector_labels,
    service_account,
    spread,
)
from sophia_infra.manifests.services import build_ingress, build_service
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig, Placement, WorkloadConfig

__all__ = ["workload"]

_STARTUP_PERIOD_S = 5
_SHM_VOLUME = "shm"


def workload(
    name: str,
    row: WorkloadConfig,
    kube: KubernetesConfig,
    placement: Placement,
    secret_checksum: str | None,
) -> list[Manifest]:
    """Every object of one workload, in the cluster where it is placed.

    Args:
        secret_checksum: of the values of its secrets. It stands on the pods, so that they restart when a
            value is rotated: a running process never reads its environment again.
    """
    cluster = placement.clusters[placement.workload_cluster[name]]
    most = placement.max_replicas[name]
    base = (namespace_manifest_name(cluster, row.namespace),)
    account = service_account(name, row.namespace, base)
    claims = _claims(name, row, kube, cluster, base)
    secrets = external_secret(name, row.namespace, row.secret_env, kube, cluster)
    policy = workload_policy(name, row, kube, placement)
    needs = [account, *claims, *secrets, policy]
    priority = priority_class_manifest_name(cluster, row.priority)
    deployment = Manifest(
        f"{name}-deployment",
        _deployment(name, row, kube, most, secret_checksum),
        (*base, *names_of(*needs), priority),
    )
    ports = {port_name: row.service_port(port_name) for port_name in row.ports}
    service = build_service(name, row.namespace, ports, base)
    return [
        *needs,
        service,
        deployment,
        *disruption_budget(name, row.namespace, most, row.max_unavailable, base),
        *autoscaler(name, row, most, names_of(deployment)),
        *build_ingress(name, row, kube, names_of(service)),
    ]


def _claims(
    name: str, row: WorkloadConfig, kube: KubernetesConfig, cluster: Cluster, base: tuple[str, ...]
) -> list[Manifest]:
    made = []
    for volume, config in row.volumes.items():
        if config.cache:
            continue
        spec = claim_spec(config.size, config.storage_class or kube.storage_class.name, config.access)
        after = base if config.storage_class else (*base, storage_class_manifest_name(cluster))
        made.append(build_claim(name, volume, row.namespace, spec, after))
    return made


def _deployment(
    name: str, row: WorkloadConfig, kube: KubernetesConfig, most: int, checksum: str | None
) -> dict[str, Any]:
    identity = PodIdentity(
        name=name,
        account=name,
        team=row.team,
        user_id=row.user_id,
        architectures=row.architectures,
        priority=row.priority,
        grace_s=row.grace_s,
        gpu=row.gpu,
        checksum=checksum if row.secret_env else None,
    )
    further = {"topologySpreadConstraints": spread(name, by_revision=True)} if most > 1 else {}
    spec: dict[str, Any] = {
        "selector": {"matchLabels": selector_labels(name)},
        "strategy": _strategy(row),
        "revisionHistoryLimit": 3,
        "progressDeadlineSeconds": max(600, 2 * row.health.startup_s),
        "template": build_pod_template(
            identity, [_container(name, row, kube)], _volumes(name, row), **further
        ),
    }
    if row.autoscale is None:
        # With an autoscaler the number is the autoscaler's: an update that states one would undo its work.
        spec["replicas"] = row.replicas
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": build_metadata(name, row.namespace, labels=selector_labels(name)),
        "spec": spec,
    }


def _strategy(row: WorkloadConfig) -> dict[str, Any]:
    """Old pods go first where new ones could not start beside them."""
    if any(not volume.cache and volume.access == "ReadWriteOnce" for volume in row.volumes.values()):
        # A claim of one node: a new pod elsewhere would wait for it for ever.
        return {"type": "Recreate"}
    if row.gpu is not None and row.gpu.count > 0:
        # Quotas give services exactly the places of their replicas, and training the rest: no place to surge.
        return {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 0, "maxUnavailable": row.max_unavailable},
        }
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def _container(name: str, row: WorkloadConfig, kube: KubernetesConfig) -> dict[str, Any]:
    requests = {"cpu": row.cpu.request, "memory": row.memory.request}
    limits = {"cpu": row.cpu.limit, "memory": row.memory.limit}
    if row.gpu is not None and row.gpu.count > 0:
        requests[GPU_RESOURCE] = limits[GPU_RESOURCE] = str(row.gpu.count)
    environment = [{"name": key, "value": value} for key, value in row.env.items()]
    environment += secret_environment(name, row.secret_env)
    container: dict[str, Any] = {
        "name": name,
        "image": kube.images.pinned(row.image),
        "imagePullPolicy": "IfNotPresent",
        "ports": [
            {"name": port_name, "containerPort": port, "protocol": "TCP"}
            for port_name, port in row.ports.items()
        ],
        "resources": {"requests": requests, "limits": limits},
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": _mounts(row),
        **_probes(row),
    }
    if environment:
        container["env"] = environment
    if row.command:
        container["command"] = list(row.command)
    if row.args:
        container["args"] = list(row.args)
    return container


def _probes(row: WorkloadConfig) -> dict[str, Any]:
    """A start may take its time; after that three unanswered questions take the pod out, then end it."""
    health = row.health
    port = health.port or next(iter(row.ports))
    question: dict[str, Any] = (
        {"tcpSocket": {"port": port}}
        if health.tcp
        else {"httpGet": {"path": health.path, "port": port, "scheme": "HTTP"}}
    )
    timeout_s = 5
    return {
        "startupProbe": {
            **question,
            "periodSeconds": _STARTUP_PERIOD_S,
            "timeoutSeconds": timeout_s,
            "failureThreshold": math.ceil(health.startup_s / _STARTUP_PERIOD_S),
        },
        "readinessProbe": {
            **question,
            "periodSeconds": 5,
            "timeoutSeconds": timeout_s,
            "failureThreshold": 3,
        },
        "livenessProbe": {
            **question,
            "periodSeconds": health.liveness_period_s,
            "timeoutSeconds": timeout_s,
            "failureThreshold": 3,
        },
    }


def _mounts(row: WorkloadConfig) -> list[dict[str, Any]]:
    mounts = [] if _has_own_tmp(row) else [TMP_MOUNT]
    if row.shm is not None:
        mounts.append({"name": _SHM_VOLUME, "mountPath": "/dev/shm"})  # noqa: S108 - inside the container
    return mounts + [
        {"name": _volume_name(name), "mountPath": config.mount} for name, config in row.volumes.items()
    ]


def _volumes(name: str, row: WorkloadConfig) -> list[dict[str, Any]]:
    """What is in /dev/shm counts against the memory limit: `shm` has to fit into it beside the process."""
    volumes = [] if _has_own_tmp(row) else [TMP_VOLUME]
    if row.shm is not None:
        volumes.append(scratch_volume(_SHM_VOLUME, row.shm, in_memory=True))
    for volume, config in row.volumes.items():
        own = _volume_name(volume)
        if config.cache:
            volumes.append(scratch_volume(own, config.size))
        else:
            claim = {"claimName": claim_name(name, volume)}
            volumes.append({"name": own, "persistentVolumeClaim": claim})
    return volumes


def _volume_name(volume: str) -> str:
    """Name inside the pod; the prefix keeps it apart from `tmp` and `shm`."""
    return bounded(f"v-{volume}")


def _has_own_tmp(row: WorkloadConfig) -> bool:
    return any(config.mount == "/tmp" for config in row.volumes.values())  # noqa: S108 - inside the container
