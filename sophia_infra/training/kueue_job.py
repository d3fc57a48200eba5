"""The Kueue job of a cluster whose machines join Kubernetes: pure functions, plain objects.

One Indexed Job and a headless Service are enough for torchrun, and Kueue admits them without more; a JobSet
restarts all pods together, and needs its controller (chart `jobset`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from sophia_infra.manifests.names import (
    GPU_LABEL,
    GPU_RESOURCE,
    bounded,
    gpu_label_value,
)
from sophia_infra.manifests.objects import build_metadata
from sophia_infra.manifests.tolerations import ARM64_TOLERATION, GPU_TOLERATION
from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.kubernetes import ARM64_GPU_MODELS
from sophia_infra.model.kubernetes.services import TrainingConfig
from sophia_infra.model.training import TRAINING_NODE_LABEL, training_gpu_label
from sophia_infra.training.job_script import MASTER_PORT

__all__ = ["JobRequest", "job_set", "training_job"]

QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
MAX_USD_ANNOTATION: Final = "sophia.internal/max-usd"
"""The policy `training-job-limits` reads it, and `activeDeadlineSeconds`."""
_GRACE_S: Final = 120
_KEPT_S: Final = 86_400
_REPLICATED: Final = "node"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """One training job.

    Attributes:
        name: of the run; shortened with a digest where Kubernetes takes less.
        instance_type: API name; its GPU model chooses the flavor, its GPUs are asked for whole.
        nodes: pods, one for each machine.
        image: with torchrun in it; pinned by the caller.
        command: the part behind torchrun's options, as words.
        max_hours, max_usd: the run's limits.
        env_secret: Secret whose keys become the command's environment; None without one.
        claim: PersistentVolumeClaim for checkpoints, mounted at `/checkpoints`; None without one.
        cluster: of `sophia:training`, on whose own nodes and in whose own queue it runs; None: on the GPUs
            that services leave over.
        variables: environment of the command, no secrets.
    """

    name: str
    instance_type: str
    nodes: int
    image: str
    command: Sequence[str]
    max_hours: int
    max_usd: Decimal
    env_secret: str | None = None
    claim: str | None = None
    cluster: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def short_name(self) -> str:
        """At most 40 characters: pods and hosts add theirs to it."""
        return bounded(self.name, 40)


def training_job(request: JobRequest, training: TrainingConfig) -> list[dict[str, Any]]:
    """A headless Service by which the pods find rank 0, and the suspended Job that Kueue lets begin."""
    name = request.short_name
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": build_metadata(name, training.namespace),
        "spec": {
            "clusterIP": "None",
            # Rank 0 has to be found before it is ready: the others wait for it in their rendezvous.
            "publishNotReadyAddresses": True,
            "selector": {"batch.kubernetes.io/job-name": name},
            "ports": [{"name": "rendezvous", "port": MASTER_PORT, "protocol": "TCP"}],
        },
    }
    master = f"{name}-0.{name}.{training.namespace}.svc"
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(request, training),
        "spec": {"suspend": True, **_job_spec(request, master, "JOB_COMPLETION_INDEX", subdomain=name)},
    }
    return [service, job]


def job_set(request: JobRequest, training: TrainingConfig) -> dict[str, Any]:
    """The same as a JobSet: when a pod fails, all of them begin again, at most three times."""
    name = request.short_name
    master = f"{name}-{_REPLICATED}-0-0.{name}"
    return {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": _metadata(request, training),
        "spec": {
            "suspend": True,
            "ttlSecondsAfterFinished": _KEPT_S,
            "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True},
            "failurePolicy": {"maxRestarts": 3},
            "replicatedJobs": [
                {
                    "name": _REPLICATED,
                    "replicas": 1,
                    "template": {"spec": _job_spec(request, master, "JOB_COMPLETION_INDEX")},
                }
            ],
        },
    }


def _metadata(request: JobRequest, training: TrainingConfig) -> dict[str, Any]:
    return build_metadata(
        request.short_name,
        training.namespace,
        labels={QUEUE_LABEL: request.cluster or training.queue, "workload": "training"},
        annotations={MAX_USD_ANNOTATION: f"{request.max_usd:f}"},
    )


def _job_spec(
    request: JobRequest, master: str, rank_variable: str, *, subdomain: str | None = None
) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "completionMode": "Indexed",
        "completions": request.nodes,
        "parallelism": request.nodes,
        # A pod that fails alone leaves the others waiting for it: the whole job is over, and begun anew.
        "backoffLimit": 0,
        "activeDeadlineSeconds": request.max_hours * 3600,
        "template": {"spec": _pod(request, master, rank_variable, subdomain)},
    }
    if subdomain is not None:
        spec["ttlSecondsAfterFinished"] = _KEPT_S
    return spec


def _pod(request: JobRequest, master: str, rank_variable: str, subdomain: str | None) -> dict[str, Any]:
    row = CATALOGUE[request.instance_type]
    model = row.gpu_model or ""
    gpus = {GPU_RESOURCE: str(row.gpu_count)}
    # A pod takes a whole machine but for what the node's own pods need.
    resources = {**gpus, "cpu": str(max(1, row.vcpus * 9 // 10)), "memory": f"{row.memory_gib * 9 // 10}Gi"}
    container: dict[str, Any] = {
        "name": "trainer",
        "image": request.image,
        "command": [
            "torchrun",
            f"--nnodes={request.nodes}",
            f"--nproc-per-node={row.gpu_count}",
            f"--node-rank=$({rank_variable})",
            f"--master-addr={master}",
            f"--master-port={MASTER_PORT}",
            *request.command,
        ],
        "resources": {"requests": dict(resources), "limits": dict(resources)},
        "ports": [{"name": "rendezvous", "containerPort": MASTER_PORT}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        # The end of its log outlives the machine in the pod's status.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "shared-memory", "mountPath": "/dev/shm"}],  # noqa: S108
    }
    if request.variables:
        container["env"] = [{"name": name, "value": value} for name, value in request.variables.items()]
    volumes: list[dict[str, Any]] = [{"name": "shared-memory", "emptyDir": {"medium": "Memory"}}]
    if request.env_secret is not None:
        container["envFrom"] = [{"secretRef": {"name": bounded(request.env_secret, 40)}}]
    if request.claim is not None:
        container["volumeMounts"].append({"name": "checkpoints", "mountPath": "/checkpoints"})
        volumes.append({"name": "checkpoints", "persistentVolumeClaim": {"claimName": request.claim}})
    tolerations: list[dict[str, Any]] = [dict(GPU_TOLERATION)]
    if model in ARM64_GPU_MODELS:
        tolerations.append(dict(ARM64_TOLERATION))
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _GRACE_S,
        "automountServiceAccountToken": False,
        "nodeSelector": _node_labels(request.cluster, model),
        "tolerations": tolerations,
        "containers": [container],
        "volumes": volumes,
    }
    if subdomain is not None:
        pod["subdomain"] = subdomain
    return pod


def _node_labels(cluster: str | None, model: str) -> dict[str, str]:
    if cluster is None:
        return {GPU_LABEL: gpu_label_value(model)}
    return {TRAINING_NODE_LABEL: cluster, **({GPU_LABEL: training_gpu_label(model)} if model else {})}
