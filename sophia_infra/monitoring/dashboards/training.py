"""Board `training`: who waits in the training queue, what runs, and what its GPUs cost."""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from sophia_infra.monitoring.dashboards.board import Board
from sophia_infra.monitoring.dashboards.looks import Column, Query, above
from sophia_infra.monitoring.terms import Terms

__all__ = ["training"]

_QUEUE = 'cluster_queue=~"$queue"'
_JOBS_WITH_GPUS = (
    'max by (namespace, pod, node, created_by_name) (kube_pod_info{created_by_kind="Job"})'
    ' and on (namespace, pod) kube_pod_container_resource_requests{resource="nvidia_com_gpu"}'
    " and on (namespace, pod)"
    ' kube_pod_status_phase{phase="Running"} == 1'
)


def training(terms: Terms) -> Board:
    """Needs the training queue (Kueue); dollars need the exporter."""
    board = Board(
        terms,
        "training",
        "Training",
        "Jobs on GPUs, by the training queue. A job is paid for from the launch of its machines until they "
        "are gone, also when it waits or has failed.",
        hours=24,
    )
    board.choose("queue", "Queue", "label_values(kueue_cluster_queue_status, cluster_queue)")
    _now(board, terms)
    _queue(board)
    _jobs(board, terms)
    return board


def _now(board: Board, terms: Terms) -> None:
    board.row("Now")
    if terms.has_exporter:
        board.stat(
            "Dollars per hour of training machines",
            "Price of the nodes on which a job holds a GPU.",
            units.Dollars,
            Query(
                f"sum(max by (node) (lambda_node_usd_per_hour) and on (node) ({_JOBS_WITH_GPUS}))"
                " or vector(0)"
            ),
            decimals=2,
            alerts=("TrainingJobFailed",),
        )
    board.stat(
        "GPUs held by jobs",
        "Requests of running pods of jobs.",
        units.NoUnit,
        Query(
            'sum(kube_pod_container_resource_requests{resource="nvidia_com_gpu"} and on (namespace, pod)'
            ' kube_pod_info{created_by_kind="Job"}) or vector(0)'
        ),
    )
    board.stat(
        "Jobs that run",
        "Let in by the queue and not over.",
        units.NoUnit,
        Query(f"sum(kueue_admitted_active_workloads{{{_QUEUE}}})"),
    )
    board.stat(
        "Jobs that wait",
        "For their turn, or for more than the queue will ever have.",
        units.NoUnit,
        Query(f"sum(kueue_pending_workloads{{{_QUEUE}}})"),
        steps=above(1, 10),
        alerts=("TrainingWaits",),
    )
    board.stat(
        "Queues that let nothing in",
        "A flavor is missing, or the queue was stopped.",
        units.NoUnit,
        Query(f'sum(max by (cluster_queue) (kueue_cluster_queue_status{{status="pending",{_QUEUE}}}))'),
        steps=above(1, 1),
        alerts=("TrainingQueueStopped",),
    )
    board.stat(
        "Jobs put out again",
        "In a day: each begins anew from its last checkpoint.",
        units.NoUnit,
        Query(f"sum(increase(kueue_evicted_workloads_total{{{_QUEUE}}}[1d]))"),
        steps=above(1, 5),
        decimals=0,
    )


def _queue(board: Board) -> None:
    board.row("Queue")
    board.chart(
        "Waiting and running jobs",
        "inadmissible asks for more than the queue will ever have.",
        units.NoUnit,
        Query(f"max by (cluster_queue, status) (kueue_pending_workloads{{{_QUEUE}}})", "waiting, {{status}}"),
        Query(f"max by (cluster_queue) (kueue_admitted_active_workloads{{{_QUEUE}}})", "running"),
        alerts=("TrainingWaits",),
    )
    board.chart(
        "Time until let in",
        "95th percentile of jobs of six hours, from creation.",
        units.Seconds,
        Query(
            "histogram_quantile(0.95, sum by (le, cluster_queue)"
            f" (increase(kueue_admission_wait_time_seconds_bucket{{{_QUEUE}}}[6h])))",
            "{{cluster_queue}}",
        ),
        alerts=("TrainingWaits",),
    )
    board.chart(
        "Jobs let in a day",
        "Counted over the last 24 hours.",
        units.NoUnit,
        Query(
            f"sum by (cluster_queue) (increase(kueue_admitted_workloads_total{{{_QUEUE}}}[1d]))",
            "{{cluster_queue}}",
        ),
    )


def _jobs(board: Board, terms: Terms) -> None:
    board.row("Jobs")
    columns = [
        Column("namespace, pod", "max by (namespace, pod) (gpu_utilization)", "GPU busy", units.Percent)
    ]
    if terms.has_exporter:
        columns.append(
            Column("node", "max by (node) (lambda_node_usd_per_hour)", "Node, $ per hour", units.Dollars)
        )
    board.table(
        "Pods of jobs that hold GPUs",
        "Only of nodes on which one runs.",
        f"max by (node, created_by_name, namespace, pod) ({_JOBS_WITH_GPUS})",
        {"created_by_name": "Job", "namespace": "Namespace", "pod": "Pod", "node": "Node"},
        *columns,
        link=("Node", "Its GPUs", "/d/sophia-gpu?var-node=${__value.text}"),
        alerts=("TrainingJobFailed",),
    )
    board.chart(
        "GPUs of jobs, busy",
        "By pod; a job that waits for its data shows here before its cost does.",
        units.Percent,
        Query(
            'gpu_utilization and on (namespace, pod) kube_pod_info{created_by_kind="Job"}',
            "{{namespace}}/{{pod}}",
        ),
        most=100,
        width=12,
        alerts=("GpuWasted",),
    )
    board.chart(
        "Jobs that failed",
        "For good, and not yet deleted.",
        units.NoUnit,
        Query('sum(kube_job_failed{condition="true"} == 1) or vector(0)', "failed"),
        width=12,
        alerts=("TrainingJobFailed", "JobFailed"),
    )
