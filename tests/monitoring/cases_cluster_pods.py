"""Cases: pods that wait, crash or are missing, jobs, the training queue, quotas."""

from __future__ import annotations

from tests.monitoring.cluster_cases import NODE_PRICE, fires, silent

_NS = 'namespace="sophia-ai-prod"'
_POD = f'{_NS},pod="sophia-ai-core-7d9f4b6c5-x2x4z",uid="u"'
_IN_ALARM = {"namespace": "sophia-ai-prod", "pod": "sophia-ai-core-7d9f4b6c5-x2x4z"}
_CONTAINER = f'{_POD},container="sophia-ai-core"'
_CONTAINER_ALARM = {**_IN_ALARM, "container": "sophia-ai-core", "owner": "ai"}
_GPU_REQUEST = (
    f'kube_pod_container_resource_requests{{{_CONTAINER},node="",resource="nvidia_com_gpu",unit="integer"}}'
)
_PENDING = f'kube_pod_status_phase{{{_POD},phase="Pending"}}'
_WAITING = "kube_pod_container_status_waiting_reason"
_RESTARTS = f"kube_pod_container_status_restarts_total{{{_CONTAINER}}}"
_KILLED = f'kube_pod_container_status_last_terminated_reason{{{_CONTAINER},reason="OOMKilled"}}'


def _deployment(name: str, wanted: str, available: str) -> dict[str, str]:
    return {
        f'kube_deployment_spec_replicas{{{_NS},deployment="{name}"}}': wanted,
        f'kube_deployment_status_replicas_available{{{_NS},deployment="{name}"}}': available,
    }


def _set(kind: str, wanted: str, ready: str) -> dict[str, str]:
    names = {
        "statefulset": ("kube_statefulset_replicas", "kube_statefulset_status_replicas_ready"),
        "daemonset": (
            "kube_daemonset_status_desired_number_scheduled",
            "kube_daemonset_status_number_ready",
        ),
    }[kind]
    name = {"statefulset": "redis", "daemonset": "nvidia-dcgm-exporter"}[kind]
    return {f'{series}{{{_NS},{kind}="{name}"}}': v for series, v in zip(names, (wanted, ready), strict=True)}


_JOB = 'namespace="training",job_name="fine-tune-1"'
_JOB_ALARM = {"namespace": "training", "job_name": "fine-tune-1"}
_JOB_FAILED = {f'kube_job_failed{{{_JOB},condition="true"}}': "1x60"}
_JOB_POD = 'namespace="training",pod="fine-tune-1-abcde",uid="j"'
_JOB_ON_GPU = {
    f'kube_pod_info{{{_JOB_POD},node="core",created_by_kind="Job",created_by_name="fine-tune-1"}}': "1x60",
    f'kube_pod_container_resource_requests{{{_JOB_POD},container="main",node="core",'
    'resource="nvidia_com_gpu",unit="integer"}': "1x60",
}
_NIGHTLY = {
    f'kube_job_owner{{{_JOB},owner_kind="CronJob",owner_name="report"}}': "1x60",
    f"kube_job_created{{{_JOB}}}": "100x60",
}
_QUEUE = 'cluster_queue="sophia-training",replica_role="leader"'
_QUOTA = 'namespace="sophia-ai-prod",resourcequota'


def _quota(name: str, resource: str, used: int, hard: int) -> dict[str, str]:
    return {
        f'kube_resourcequota{{{_QUOTA}="{name}",resource="{resource}",type="used"}}': f"{used}x120",
        f'kube_resourcequota{{{_QUOTA}="{name}",resource="{resource}",type="hard"}}': f"{hard}x120",
    }


_REFUSED = {
    f'kube_deployment_spec_replicas{{{_NS},deployment="lambda-inference"}}': "2x120",
    f'kube_deployment_status_replicas{{{_NS},deployment="lambda-inference"}}': "1x120",
}
_GPU_QUOTA = "requests.nvidia.com/gpu"

CASES = [
    *fires(
        "PodPendingForGpu",
        "no place for 15 minutes",
        {_GPU_REQUEST: "1x60", _PENDING: "1x60"},
        {**_IN_ALARM, "owner": "ai"},
    ),
    silent("PodPendingForGpu", "it runs", {_GPU_REQUEST: "1x60", _PENDING: "0x60"}),
    silent("PodPendingForGpu", "it waits, for no GPU", {_PENDING: "1x60"}),
    *fires(
        "PodCrashLooping",
        "again and again, with moments of life",
        {f'{_WAITING}{{{_CONTAINER},reason="CrashLoopBackOff"}}': "1 1 0 0 1 1 0 0 1 1 0 0 1 1 0 0 1x60"},
        {**_CONTAINER_ALARM, "reason": "CrashLoopBackOff"},
    ),
    silent(
        "PodCrashLooping",
        "once",
        {f'{_WAITING}{{{_CONTAINER},reason="CrashLoopBackOff"}}': "1x4 0x60"},
    ),
    *fires(
        "PodOutOfMemory",
        "killed and started again",
        {_RESTARTS: "0x10 1x60", _KILLED: "0x10 1x60"},
        _CONTAINER_ALARM,
        from_s=660,
    ),
    silent("PodOutOfMemory", "killed yesterday", {_RESTARTS: "1x60", _KILLED: "1x60"}),
    silent("PodOutOfMemory", "started again for another reason", {_RESTARTS: "0x10 1x60", _KILLED: "0x60"}),
    *fires(
        "PodImageNotPulled",
        "between two tries and at them",
        {
            f'{_WAITING}{{{_CONTAINER},reason="ErrImagePull"}}': "1x60",
        },
        {**_CONTAINER_ALARM, "reason": "ErrImagePull"},
    ),
    silent(
        "PodImageNotPulled",
        "it is being pulled",
        {f'{_WAITING}{{{_CONTAINER},reason="ContainerCreating"}}': "1x60"},
    ),
    *fires(
        "PodCannotBeCreated",
        "its Secret is missing",
        {f'{_WAITING}{{{_CONTAINER},reason="CreateContainerConfigError"}}': "1x60"},
        {**_CONTAINER_ALARM, "reason": "CreateContainerConfigError"},
    ),
    silent(
        "PodCannotBeCreated", "it crashes", {f'{_WAITING}{{{_CONTAINER},reason="CrashLoopBackOff"}}': "1x60"}
    ),
    *fires(
        "DeploymentReplicasMissing",
        "one of three",
        _deployment("sophia-backend", "3x60", "2x60"),
        {"namespace": "sophia-ai-prod", "deployment": "sophia-backend", "owner": "platform"},
    ),
    silent("DeploymentReplicasMissing", "all there", _deployment("sophia-backend", "3x60", "3x60")),
    silent(
        "DeploymentReplicasMissing",
        "one with GPUs may take longer",
        _deployment("lambda-inference", "1x60", "0x60"),
    ),
    *fires(
        "GpuReplicasMissing",
        "a model that does not load",
        _deployment("lambda-inference", "1x90", "0x90"),
        {"namespace": "sophia-ai-prod", "deployment": "lambda-inference", "owner": "ai"},
    ),
    silent(
        "GpuReplicasMissing",
        "it loads for half an hour",
        _deployment("lambda-inference", "1x90", "0x30 1x60"),
    ),
    *fires(
        "StatefulSetReplicasMissing",
        "one of three",
        _set("statefulset", "3x60", "2x60"),
        {"namespace": "sophia-ai-prod", "statefulset": "redis", "owner": "platform"},
    ),
    silent("StatefulSetReplicasMissing", "all there", _set("statefulset", "3x60", "3x60")),
    *fires(
        "DaemonSetPodsMissing",
        "on one of five nodes",
        _set("daemonset", "5x60", "4x60"),
        {"namespace": "sophia-ai-prod", "daemonset": "nvidia-dcgm-exporter"},
    ),
    silent("DaemonSetPodsMissing", "on all", _set("daemonset", "5x60", "5x60")),
    *fires("JobFailed", "for good", _JOB_FAILED, _JOB_ALARM),
    *fires("JobFailed", "of a CronJob that never succeeded", {**_JOB_FAILED, **_NIGHTLY}, _JOB_ALARM),
    silent(
        "JobFailed",
        "of a CronJob whose later run went well",
        {
            **_JOB_FAILED,
            **_NIGHTLY,
            'kube_cronjob_status_last_successful_time{namespace="training",cronjob="report"}': "200x60",
        },
    ),
    silent("JobFailed", "training has its own alarm", {**_JOB_FAILED, **_JOB_ON_GPU}),
    silent(
        "JobFailed",
        "copies have theirs",
        {
            **_JOB_FAILED,
            f'kube_job_owner{{{_JOB},owner_kind="CronJob",owner_name="postgres-backup"}}': "1x60",
        },
    ),
    silent("JobFailed", "it went well", {f'kube_job_failed{{{_JOB},condition="true"}}': "0x60"}),
    *fires(
        "TrainingJobFailed",
        "on a machine with a price",
        {**_JOB_FAILED, **_JOB_ON_GPU, NODE_PRICE: "2.29x60"},
        _JOB_ALARM,
    ),
    *fires("TrainingJobFailed", "on a machine without one", {**_JOB_FAILED, **_JOB_ON_GPU}, _JOB_ALARM),
    silent("TrainingJobFailed", "without a GPU", {**_JOB_FAILED, NODE_PRICE: "2.29x60"}),
    silent("TrainingJobFailed", "it runs", {**_JOB_ON_GPU, NODE_PRICE: "2.29x60"}),
    silent(
        "TrainingJobFailed",
        "a later run of its CronJob went well",
        {
            **_JOB_FAILED,
            **_JOB_ON_GPU,
            **_NIGHTLY,
            NODE_PRICE: "2.29x60",
            'kube_cronjob_status_last_successful_time{namespace="training",cronjob="report"}': "200x60",
        },
    ),
    *fires(
        "TrainingWaits",
        "an hour",
        {f'kueue_pending_workloads{{{_QUEUE},status="inadmissible"}}': "1x120"},
        {"cluster_queue": "sophia-training", "status": "inadmissible"},
    ),
    silent(
        "TrainingWaits", "nothing waits", {f'kueue_pending_workloads{{{_QUEUE},status="active"}}': "0x120"}
    ),
    *fires(
        "TrainingQueueStopped",
        "pending",
        {
            f'kueue_cluster_queue_status{{{_QUEUE},status="active"}}': "0x60",
            f'kueue_cluster_queue_status{{{_QUEUE},status="pending"}}': "1x60",
        },
        {"cluster_queue": "sophia-training"},
    ),
    silent(
        "TrainingQueueStopped", "active", {f'kueue_cluster_queue_status{{{_QUEUE},status="active"}}': "1x60"}
    ),
    *fires(
        "QuotaNearFull",
        "95 % of the CPUs",
        _quota("compute-quota", "requests.cpu", 95, 100),
        {"namespace": "sophia-ai-prod", "resourcequota": "compute-quota", "resource": "requests.cpu"},
    ),
    silent("QuotaNearFull", "half", _quota("compute-quota", "requests.cpu", 50, 100)),
    silent("QuotaNearFull", "GPUs are meant to be used up", _quota("gpu-quota", _GPU_QUOTA, 2, 2)),
    *fires(
        "GpuQuotaFull",
        "full, and a pod is refused",
        {**_quota("gpu-quota", _GPU_QUOTA, 2, 2), **_REFUSED},
        {"namespace": "sophia-ai-prod", "resourcequota": "gpu-quota", "resource": _GPU_QUOTA},
    ),
    silent("GpuQuotaFull", "full, and everybody has a place", _quota("gpu-quota", _GPU_QUOTA, 2, 2)),
    silent("GpuQuotaFull", "one of two is used", {**_quota("gpu-quota", _GPU_QUOTA, 1, 2), **_REFUSED}),
    silent("GpuQuotaFull", "a namespace without GPUs", {**_quota("gpu-quota", _GPU_QUOTA, 0, 0), **_REFUSED}),
]
