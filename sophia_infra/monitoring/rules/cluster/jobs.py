"""Rules about jobs: any that failed, those that train on GPUs, and the training queue."""

from __future__ import annotations

from typing import Final

from sophia_infra.monitoring.rule import Alert, RuleGroup
from sophia_infra.monitoring.rules.cluster.parts import DOLLARS, PLATFORM
from sophia_infra.monitoring.terms import Terms

__all__ = ["failed_jobs", "groups"]

_JOB: Final = "namespace, job_name"
_COPIES: Final = ".+-(backup|restore)"

_POD_JOB: Final = """label_replace(
  max by (namespace, pod, created_by_name, node) (kube_pod_info{created_by_kind="Job"}),
  "job_name", "$1", "created_by_name", "(.+)"
)"""


def failed_jobs(cron_jobs: str, *, others: bool = False) -> str:
    """Jobs of these CronJobs (a regular expression) that failed after the last that went well.

    A failed job stays for a while as a record: one that a later run made good is no alarm any more.

    Args:
        others: jobs of all other CronJobs, and of none, instead.
    """
    owned = (
        "label_replace(max by (namespace, job_name, owner_name) (kube_job_owner"
        f'{{owner_kind="CronJob",owner_name{"!~" if others else "=~"}"{cron_jobs}"}}),'
        ' "cronjob", "$1", "owner_name", "(.+)")'
    )
    created = (
        f"max by ({_JOB}) (kube_job_created) * on ({_JOB}) group_right () max by ({_JOB}, cronjob) ({owned})"
    )
    made_good = (
        f"({created}) < on (namespace, cronjob) group_left ()"
        " max by (namespace, cronjob) (kube_cronjob_status_last_successful_time)"
    )
    failed = f'max by ({_JOB}) (kube_job_failed{{condition="true"}}) == 1'
    mine = f'max by ({_JOB}) (kube_job_owner{{owner_kind="CronJob",owner_name=~"{cron_jobs}"}})'
    return f"{failed}\n{'unless' if others else 'and'} on ({_JOB}) {mine}\nunless on ({_JOB}) ({made_good})"


def groups(terms: Terms) -> list[RuleGroup]:
    """Failed jobs; the queue where the stack trains."""
    on_gpus = (
        f"{_POD_JOB} and on (namespace, pod) "
        '(kube_pod_container_resource_requests{resource="nvidia_com_gpu"} > 0)'
    )
    failed = failed_jobs(_COPIES, others=True)
    rules = [
        Alert(
            "JobFailed",
            f"{failed}\nunless on ({_JOB}) ({on_gpus})",
            for_s=0,
            severity="warning",
            owner=PLATFORM,
            summary="Job {{ $labels.job_name }} in {{ $labels.namespace }} failed for good.",
            description="Read its pods' logs; delete the job when it is dealt with, which ends this alarm.",
        )
    ]
    if terms.has_training:
        rules += [_training_failed(terms, failed, on_gpus), _training_waits(), _queue_stopped()]
    return [RuleGroup("sophia-jobs", tuple(rules))]


def _training_failed(terms: Terms, failed: str, on_gpus: str) -> Alert:
    cost = ""
    expr = f"{failed}\nand on ({_JOB}) ({on_gpus})"
    if terms.has_exporter:
        nodes = f"max by ({_JOB}, node) ({on_gpus})"
        dollars = (
            f"sum by ({_JOB}) ({nodes} * on (node) group_left () max by (node) (lambda_node_usd_per_hour))"
        )
        cost = "{{ if gt $value 0.0 }} Its machines cost " + DOLLARS + " an hour.{{ end }}"
        expr = f"{dollars}\nand on ({_JOB}) ({expr})\nor on ({_JOB})\n0 * ({expr})"
    return Alert(
        "TrainingJobFailed",
        expr,
        for_s=0,
        severity="warning",
        owner=PLATFORM,
        summary="Training job {{ $labels.job_name }} in {{ $labels.namespace }} failed." + cost,
        description="Nothing ends the machines by itself: run it again or take them down.",
    )


def _training_waits() -> Alert:
    return Alert(
        "TrainingWaits",
        "max by (cluster_queue, status) (kueue_pending_workloads) > 0",
        for_s=3600,
        severity="info",
        owner=PLATFORM,
        summary="{{ $value }} training job(s) have waited an hour in {{ $labels.cluster_queue }} "
        "({{ $labels.status }}).",
        description="inadmissible: it asks for more than the queue will ever have. active: it waits for its "
        "turn; services may hold the GPUs.",
    )


def _queue_stopped() -> Alert:
    return Alert(
        "TrainingQueueStopped",
        'max by (cluster_queue) (kueue_cluster_queue_status{status="active"}) == 0',
        for_s=900,
        severity="warning",
        owner=PLATFORM,
        summary="The training queue {{ $labels.cluster_queue }} lets nothing in.",
        description="A flavor is missing or it was stopped: `kubectl describe clusterqueue` says which.",
    )
