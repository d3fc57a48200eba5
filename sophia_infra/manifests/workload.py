"""One row of the workload table as objects: what it needs, its Deployment, how it is reached and scaled."""

from __future__ import annotations

from typing import Any

from sophia_infra.manifests.autoscaling import autoscaler
from sophia_infra.manifests.claims import build_claim, claim_name, claim_spec
from sophia_infra.manifests.classes import priority_class_manifest_name, storage_class_manifest_name
from sophia_infra.manifests.disruption import disruption_budget
from sophia_infra.manifests.external_secrets import external_secret, secret_environment
from sophia_infra.manifests.keda import keda_manifest_name, scaled_by_keda, scaled_object
from sophia_infra.manifests.monitoring.monitors import workload_monitor
from sophia_infra.manifests.names import GPU_RESOURCE, bounded
from sophia_infra.manifests.namespaces import namespace_manifest_name
from sophia_infra.manifests.network_policies import workload_policy
from sophia_infra.manifests.objects import Manifest, build_metadata, names_of
from sophia_infra.manifests.pod_files import NO_FILES, PodFiles, config_map
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
from sophia_infra.manifests.probes import build_lifecycle, build_probes
from sophia_infra.manifests.services import build_ingress, build_service
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig, Placement, WorkloadConfig

__all__ = ["workload"]

_SHM_VOLUME = "shm"
_PULUMI_WAIT_S = 600


def workload(
    name: str,
    row: WorkloadConfig,
    kube: KubernetesConfig,
    placement: Placement,
    secret_checksum: str | None,
    *,
    files: PodFiles = NO_FILES,
    waiting: str | None = None,
) -> list[Manifest]:
    """Every object of one workload, in the cluster where it is placed.

    Args:
        secret_checksum: of the values of its secrets. It stands on the pods, so that they restart when a
            value is rotated: a running process never reads its environment again.
        files: what its pods read beside their environment.
        waiting: the question to Prometheus that `autoscale.queue` is about; None without it.
    """
    cluster = placement.clusters[placement.workload_cluster[name]]
    most = placement.max_replicas[name]
    base = (namespace_manifest_name(cluster, row.namespace),)
    account = service_account(name, row.namespace, base)
    claims = _claims(name, row, kube, cluster, base)
    secrets = external_secret(name, row.namespace, row.secret_env, kube, cluster)
    policy = workload_policy(name, row, kube, placement)
    texts = config_map(name, row.namespace, files, base)
    needs = [account, *claims, *secrets, *texts, policy]
    priority = priority_class_manifest_name(cluster, row.priority)
    deployment = Manifest(
        f"{name}-deployment",
        _deployment(name, row, kube, most, secret_checksum, files),
        (*base, *names_of(*needs), priority),
    )
    ports = {port_name: row.service_port(port_name) for port_name in row.ports}
    monitors = workload_monitor(name, row, kube, cluster)
    service = build_service(name, row.namespace, ports, base, scraped=bool(monitors))
    return [
        *needs,
        service,
        deployment,
        *disruption_budget(name, row.namespace, most, row.max_unavailable, base),
        *_scaler(name, row, kube, cluster, most, deployment, waiting),
        *build_ingress(name, row, kube, names_of(service)),
        *monitors,
    ]


def _scaler(
    name: str,
    row: WorkloadConfig,
    kube: KubernetesConfig,
    cluster: Cluster,
    most: int,
    deployment: Manifest,
    waiting: str | None,
) -> list[Manifest]:
    """One of the two and never both: KEDA refuses to share a target with another autoscaler."""
    if scaled_by_keda(row, kube):
        after = (deployment.name, keda_manifest_name(cluster))
        return [scaled_object(name, row, kube, most, after, waiting)]
    return autoscaler(name, row, most, names_of(deployment))


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
    name: str,
    row: WorkloadConfig,
    kube: KubernetesConfig,
    most: int,
    checksum: str | None,
    files: PodFiles,
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
        config_checksum=files.checksum,
    )
    further = {"topologySpreadConstraints": spread(name, by_revision=True)} if most > 1 else {}
    spec: dict[str, Any] = {
        "selector": {"matchLabels": selector_labels(name)},
        "strategy": _strategy(row),
        "revisionHistoryLimit": 3,
        "progressDeadlineSeconds": _deadline_s(row),
        "template": build_pod_template(
            identity,
            [_container(name, row, kube, files)],
            [*_volumes(name, row), *files.volumes(name)],
            **further,
        ),
    }
    if row.autoscale is None:
        # With an autoscaler the number is the autoscaler's: an update that states one would undo its work.
        spec["replicas"] = row.replicas
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": build_metadata(
            name, row.namespace, labels=selector_labels(name), annotations=_patience(row)
        ),
        "spec": spec,
    }


def _deadline_s(row: WorkloadConfig) -> int:
    """Seconds after which an update without progress has failed: two starts, one after the other."""
    return max(_PULUMI_WAIT_S, 2 * row.health.startup_s)


def _patience(row: WorkloadConfig) -> dict[str, str]:
    """The engine waits for a Deployment as long as Kubernetes does, and not its own ten minutes."""
    deadline_s = _deadline_s(row)
    return {"pulumi.com/timeoutSeconds": str(deadline_s)} if deadline_s > _PULUMI_WAIT_S else {}


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


def _container(name: str, row: WorkloadConfig, kube: KubernetesConfig, files: PodFiles) -> dict[str, Any]:
    requests = {"cpu": row.cpu.request, "memory": row.memory.request}
    limits = {"cpu": row.cpu.limit, "memory": row.memory.limit}
    if row.gpu is not None and row.gpu.count > 0:
        requests[GPU_RESOURCE] = limits[GPU_RESOURCE] = str(row.gpu.count)
    environment = [{"name": key, "value": value} for key, value in row.env.items()]
    variables = {key: path for key, path in row.secret_env.items() if key not in files.secrets}
    environment += secret_environment(name, variables)
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
        "volumeMounts": [*_mounts(row), *files.mounts()],
        **build_probes(row),
        **build_lifecycle(row),
    }
    if environment:
        container["env"] = environment
    if row.command:
        container["command"] = list(row.command)
    if row.args:
        container["args"] = list(row.args)
    return container


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
