"""What kube-state-metrics says about the objects of the healthy platform."""

from __future__ import annotations

from collections.abc import Iterator

from sophia_infra.model.kubernetes import Node
from tests.monitoring.platform import Series, age, moment
from tests.monitoring.series import counter, gauge, one_of
from tests.monitoring.site import Claim, CronJob, Pod, Site, Workload

__all__ = ["object_series"]

_DAY_S = 86_400.0
_HOUR_S = 3600.0
_GIB = 2**30
_TRUTHS = ("true", "false", "unknown")
_POD_PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
_POD_REASONS = ("Evicted", "NodeAffinity", "NodeLost", "Shutdown", "UnexpectedAdmissionError")


def object_series(site: Site) -> Iterator[Series]:
    """Every series of its page."""
    for node in site.nodes:
        yield from _node(node, sum(gpu.node == node for gpu in site.gpus))
    for namespace in sorted({pod.namespace for pod in site.pods}):
        names = {"namespace": namespace}
        yield from one_of("kube_namespace_status_phase", "phase", ("Active", "Terminating"), "Active", names)
    for workload in site.workloads:
        yield from _workload(workload)
        for pod in workload.pods:
            yield from _pod(pod)
    for claim in site.claims:
        yield from _claim(claim)
    for cron_job in site.cron_jobs:
        yield from _cron_job(cron_job)
    yield from _quotas(site)


def _node(node: Node, gpus: int) -> Iterator[Series]:
    of_node = {"node": node.name}
    yield gauge(
        "kube_node_info",
        1,
        **of_node,
        kernel_version="6.8.0",
        os_image="Ubuntu 24.04 LTS",
        container_runtime_version="containerd://2.1.4",
        kubelet_version="v1.36.4+k3s1",
        kubeproxy_version="",
        pod_cidr="",
        provider_id=f"k3s://{node.name}",
        system_uuid="",
        internal_ip="192.0.2.1",
    )
    yield gauge("kube_node_created", moment(10 * _DAY_S), **of_node)
    yield gauge("kube_node_spec_unschedulable", 0, **of_node)
    if node.architecture == "arm64":
        taint = {"key": "kubernetes.io/arch", "value": "arm64", "effect": "NoSchedule"}
        yield gauge("kube_node_spec_taint", 1, **of_node, **taint)
    for condition in ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure"):
        holds = "true" if condition == "Ready" else "false"
        names = {**of_node, "condition": condition}
        yield from one_of("kube_node_status_condition", "status", _TRUTHS, holds, names)
    sizes = (
        ("cpu", "core", float(node.vcpus)),
        ("memory", "byte", float(node.memory_gib * _GIB)),
        ("pods", "integer", 110.0),
        ("ephemeral_storage", "byte", 1e12),
        ("nvidia_com_gpu", "integer", float(gpus)),
    )
    for resource, unit, value in sizes:
        kind = {"resource": resource, "unit": unit}
        yield gauge("kube_node_status_capacity", value, **of_node, **kind)
        yield gauge("kube_node_status_allocatable", value, **of_node, **kind)


def _pod(pod: Pod) -> Iterator[Series]:
    uid = {"uid": f"uid-{pod.name}"}
    names = {"namespace": pod.namespace, "pod": pod.name, **uid}
    yield gauge(
        "kube_pod_info",
        1,
        **names,
        node=pod.node,
        host_ip="192.0.2.1",
        pod_ip="198.51.100.1",
        created_by_kind=pod.owner_kind,
        created_by_name=pod.owner,
        priority_class="standard",
        host_network="false",
    )
    yield gauge("kube_pod_created", moment(2 * _DAY_S), **names)
    yield gauge("kube_pod_start_time", moment(2 * _DAY_S), **names)
    owner = {"owner_kind": pod.owner_kind, "owner_name": pod.owner, "owner_is_controller": "true"}
    yield gauge("kube_pod_owner", 1, **names, **owner)
    yield from one_of("kube_pod_status_phase", "phase", _POD_PHASES, "Running", names)
    yield from one_of("kube_pod_status_ready", "condition", _TRUTHS, "true", names)
    yield from one_of("kube_pod_status_scheduled", "condition", _TRUTHS, "true", names)
    yield from one_of("kube_pod_status_reason", "reason", _POD_REASONS, "", names)
    container = {"namespace": pod.namespace, "pod": pod.name, "container": pod.container, **uid}
    image = f"registry.invalid/{pod.container}:1.0.0"
    described = {
        "image": image,
        "image_spec": image,
        "image_id": "",
        "container_id": f"containerd://{pod.name}",
    }
    yield gauge("kube_pod_container_info", 1, **container, **described)
    yield gauge("kube_pod_container_status_running", 1, **container)
    yield gauge("kube_pod_container_status_ready", 1, **container)
    yield counter("kube_pod_container_status_restarts_total", 0, **container)
    of_node = {**container, "node": pod.node}
    for name, cpu, memory in (
        ("requests", pod.size.cpu_request, pod.size.memory_request),
        ("limits", pod.size.cpu_limit, pod.size.memory_limit),
    ):
        metric = f"kube_pod_container_resource_{name}"
        yield gauge(metric, cpu, **of_node, resource="cpu", unit="core")
        yield gauge(metric, memory, **of_node, resource="memory", unit="byte")
        if pod.gpu is not None:
            yield gauge(metric, 1, **of_node, resource="nvidia_com_gpu", unit="integer")


def _workload(workload: Workload) -> Iterator[Series]:
    count = len(workload.pods)
    namespace = {"namespace": workload.namespace}
    if workload.kind == "Deployment":
        names = {**namespace, "deployment": workload.name}
        for name in (
            "spec_replicas",
            "status_replicas",
            "status_replicas_available",
            "status_replicas_updated",
        ):
            yield gauge(f"kube_deployment_{name}", count, **names)
        yield gauge("kube_deployment_status_replicas_unavailable", 0, **names)
        yield gauge("kube_deployment_spec_paused", 0, **names)
        for condition, reason in (
            ("Available", "MinimumReplicasAvailable"),
            ("Progressing", "NewReplicaSetAvailable"),
        ):
            about = {**names, "condition": condition, "reason": reason}
            yield from one_of("kube_deployment_status_condition", "status", _TRUTHS, "true", about)
        # One set for each Deployment: the newest.
        owner = {"owner_kind": "Deployment", "owner_name": workload.name, "owner_is_controller": "true"}
        for replicaset in sorted({pod.owner for pod in workload.pods}):
            yield gauge("kube_replicaset_owner", 1, **namespace, replicaset=replicaset, **owner)
    elif workload.kind == "StatefulSet":
        names = {**namespace, "statefulset": workload.name}
        for name in ("replicas", "status_replicas", "status_replicas_ready", "status_replicas_updated"):
            yield gauge(f"kube_statefulset_{name}", count, **names)
    elif workload.kind == "DaemonSet":
        names = {**namespace, "daemonset": workload.name}
        for name in ("desired_number_scheduled", "current_number_scheduled", "number_ready"):
            yield gauge(f"kube_daemonset_status_{name}", count, **names)
        yield gauge("kube_daemonset_status_number_misscheduled", 0, **names)
    elif workload.kind == "Job":
        yield from _job(workload.name, namespace, active=count)
    if workload.max_replicas:
        yield from _autoscaler(workload, count)
    if count > 1 and workload.kind != "Job":
        names = {**namespace, "poddisruptionbudget": workload.name}
        yield gauge("kube_poddisruptionbudget_status_pod_disruptions_allowed", 1, **names)


def _autoscaler(workload: Workload, count: int) -> Iterator[Series]:
    names = {"namespace": workload.namespace, "horizontalpodautoscaler": workload.name}
    target = {"scaletargetref_api_version": "apps/v1", "scaletargetref_kind": "Deployment"}
    metric = "kube_horizontalpodautoscaler"
    yield gauge(f"{metric}_info", 1, **names, **target, scaletargetref_name=workload.name)
    yield gauge(f"{metric}_spec_min_replicas", workload.min_replicas, **names)
    yield gauge(f"{metric}_spec_max_replicas", workload.max_replicas, **names)
    yield gauge(f"{metric}_status_current_replicas", count, **names)
    yield gauge(f"{metric}_status_desired_replicas", count, **names)
    # An autoscaler that may hold one pod only always says that it is limited.
    limited = "true" if workload.max_replicas == count else "false"
    for condition, holds in (("ScalingActive", "true"), ("AbleToScale", "true"), ("ScalingLimited", limited)):
        about = {**names, "condition": condition}
        yield from one_of(f"{metric}_status_condition", "status", _TRUTHS, holds, about)


def _claim(claim: Claim) -> Iterator[Series]:
    names = {"namespace": claim.namespace, "persistentvolumeclaim": claim.name}
    described = {"storageclass": "local-path", "volumename": f"pvc-{claim.name}", "volumemode": "Filesystem"}
    yield gauge("kube_persistentvolumeclaim_info", 1, **names, **described)
    phases = ("Pending", "Bound", "Lost")
    yield from one_of("kube_persistentvolumeclaim_status_phase", "phase", phases, "Bound", names)
    yield gauge("kube_persistentvolumeclaim_resource_requests_storage_bytes", claim.size_bytes, **names)


def _cron_job(cron_job: CronJob) -> Iterator[Series]:
    namespace = {"namespace": cron_job.namespace}
    names = {**namespace, "cronjob": cron_job.name}
    described = {"schedule": cron_job.schedule, "concurrency_policy": "Forbid", "timezone": "local"}
    yield gauge("kube_cronjob_info", 1, **names, **described)
    yield gauge("kube_cronjob_created", moment(10 * _DAY_S), **names)
    yield gauge("kube_cronjob_spec_suspend", 0, **names)
    yield gauge("kube_cronjob_status_active", 0, **names)
    yield gauge("kube_cronjob_status_last_schedule_time", age(6 * _HOUR_S), **names)
    yield gauge("kube_cronjob_status_last_successful_time", age(6 * _HOUR_S - 300), **names)
    yield gauge("kube_cronjob_next_schedule_time", age(-18 * _HOUR_S), **names)
    yield from _job(f"{cron_job.name}-28900000", namespace, cron_job=cron_job.name)


def _job(
    name: str, namespace: dict[str, str], *, active: int = 0, cron_job: str | None = None
) -> Iterator[Series]:
    names = {**namespace, "job_name": name}
    began = age(6 * _HOUR_S)
    yield gauge("kube_job_info", 1, **names)
    yield gauge("kube_job_created", began, **names)
    yield gauge("kube_job_status_start_time", began, **names)
    yield gauge("kube_job_status_active", active, **names)
    yield gauge("kube_job_status_failed", 0, **names, reason="")
    yield gauge("kube_job_status_succeeded", 0 if active else 1, **names)
    if not active:
        yield gauge("kube_job_status_completion_time", age(6 * _HOUR_S - 300), **names)
        yield from one_of("kube_job_complete", "condition", _TRUTHS, "true", names)
    owner = {"owner_kind": "CronJob", "owner_name": cron_job, "owner_is_controller": "true"}
    if cron_job is not None:
        yield gauge("kube_job_owner", 1, **names, **{key: str(value) for key, value in owner.items()})


def _quotas(site: Site) -> Iterator[Series]:
    for namespace in sorted({pod.namespace for pod in site.pods if pod.gpu is not None}):
        used = sum(pod.gpu is not None for pod in site.pods if pod.namespace == namespace)
        names = {"namespace": namespace, "resourcequota": "gpu-quota", "resource": "requests.nvidia.com/gpu"}
        # Every place of the fleet is given to somebody: taken to the last one is how it should be.
        yield gauge("kube_resourcequota", used, **names, type="hard")
        yield gauge("kube_resourcequota", used, **names, type="used")
