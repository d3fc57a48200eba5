"""Board `capacity`: what the nodes have, what pods asked for, what is used, and what will not fit."""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from sophia_infra.monitoring.dashboards.board import Board
from sophia_infra.monitoring.dashboards.looks import Column, Query, above
from sophia_infra.monitoring.terms import Terms

__all__ = ["capacity"]

_NODE = 'node=~"$node"'
_NAMESPACE = 'namespace=~"$namespace"'
_ON_NODE = f"{{{_NODE}}}"
_IN_NAMESPACE = f"{{{_NAMESPACE}}}"
_CLAIM = "namespace, persistentvolumeclaim"
_FULL = above(0.8, 0.95)


def capacity(terms: Terms) -> Board:
    """Nodes by node-exporter, requests by kube-state-metrics, claims by the kubelet."""
    board = Board(
        terms,
        "capacity",
        "Capacity",
        "Asked is what pods request and the scheduler counts; used is what they take. GPUs are the scarce "
        "part: a node has few, and they cannot be shared unless gpu_sharing says so.",
    )
    board.choose("node", "Node", "label_values(kube_node_info, node)")
    board.choose("namespace", "Namespace", "label_values(kube_pod_info, namespace)")
    _now(board)
    _nodes(board, terms)
    _pods(board, terms)
    _claims(board)
    return board


def _now(board: Board) -> None:
    board.row("Now")
    ready = 'max by (node) (kube_node_status_condition{condition="Ready",status="true",node=~"$node"})'
    board.stat(
        "Nodes that are not ready",
        "They are billed and run nothing.",
        units.NoUnit,
        Query(f"count({ready} == 0) or vector(0)"),
        steps=above(1, 2),
        alerts=("NodeLost", "NodeNotJoined"),
    )
    board.stat(
        "Pods that wait",
        "Pending: no node has what they ask for, or their images are still being read.",
        units.NoUnit,
        Query(f'sum(kube_pod_status_phase{{phase="Pending",{_NAMESPACE}}})'),
        steps=above(1, 5),
        alerts=("PodPendingForGpu", "PodImageNotPulled"),
    )
    for title, resource in (("GPUs", "nvidia_com_gpu"), ("CPU", "cpu"), ("memory", "memory")):
        board.stat(
            f"Asked of {title}",
            "Requests of all pods that are not over, as a share of what the chosen nodes offer.",
            units.PercentUnit,
            Query(_asked(resource)),
            # All GPUs taken is the aim, not a fault.
            steps=None if resource == "nvidia_com_gpu" else _FULL,
            decimals=0,
        )
    board.stat(
        "Restarts in an hour",
        "Of all containers in the chosen namespaces.",
        units.NoUnit,
        Query(f"sum(increase(kube_pod_container_status_restarts_total{_IN_NAMESPACE}[1h]))"),
        steps=above(1, 10),
        decimals=0,
        alerts=("PodCrashLooping",),
    )


def _asked(resource: str) -> str:
    chosen = f'{{resource="{resource}",node=~"$node"}}'
    return (
        f"sum(kube_pod_container_resource_requests{chosen} * on (namespace, pod) group_left ()"
        ' max by (namespace, pod) (kube_pod_status_phase{phase=~"Pending|Running"} == 1))'
        f" / sum(kube_node_status_allocatable{chosen})"
    )


def _nodes(board: Board, terms: Terms) -> None:
    board.row("Nodes")
    columns = [
        Column(
            "node",
            f'sum by (node) (kube_pod_container_resource_requests{{resource="nvidia_com_gpu",{_NODE}}})',
            "GPUs asked",
            units.NoUnit,
        ),
        Column(
            "node",
            f'1 - avg by (node) (rate(node_cpu_seconds_total{{mode="idle",{_NODE}}}[$__rate_interval]))',
            "CPU used",
            units.PercentUnit,
            _FULL,
        ),
        Column(
            "node",
            f"1 - max by (node) (node_memory_MemAvailable_bytes{_ON_NODE})"
            f" / max by (node) (node_memory_MemTotal_bytes{_ON_NODE})",
            "Memory used",
            units.PercentUnit,
            _FULL,
        ),
        Column("node", f"max by (node) (kubelet_running_pods{_ON_NODE})", "Pods", units.NoUnit),
    ]
    if terms.has_exporter:
        columns.append(
            Column("node", f"max by (node) (lambda_node_usd_per_hour{_ON_NODE})", "$ per hour", units.Dollars)
        )
    board.table(
        "Nodes",
        "What each has, and how much of it is taken.",
        f"max by (node, kubelet_version) (kube_node_info{_ON_NODE})",
        {"node": "Node", "kubelet_version": "Kubelet"},
        *columns,
        link=("Node", "Its GPUs", "/d/sophia-gpu?var-node=${__value.text}"),
        alerts=("NodeLost", "NodeNotJoined"),
    )
    board.chart(
        "CPU used",
        "Share of all cores of a node that is not idle.",
        units.PercentUnit,
        Query(
            f'1 - avg by (node) (rate(node_cpu_seconds_total{{mode="idle",{_NODE}}}[$__rate_interval]))',
            "{{node}}",
        ),
        most=1,
        steps=_FULL,
        alerts=("NodeCpuSaturated",),
    )
    board.chart(
        "Memory used",
        "What programs cannot get any more.",
        units.PercentUnit,
        Query(
            f"1 - max by (node) (node_memory_MemAvailable_bytes{_ON_NODE})"
            f" / max by (node) (node_memory_MemTotal_bytes{_ON_NODE})",
            "{{node}}",
        ),
        most=1,
        steps=_FULL,
        alerts=("NodeMemoryNearFull",),
    )
    root = f'{{mountpoint="/",{_NODE}}}'
    board.chart(
        "Disk used, and in four days",
        "Of the node's root, with images, logs and local volumes; the second line goes on as the last six "
        "hours did.",
        units.PercentUnit,
        Query(
            f"1 - min by (node) (node_filesystem_avail_bytes{root})"
            f" / min by (node) (node_filesystem_size_bytes{root})",
            "{{node}}",
        ),
        Query(
            f"1 - min by (node) (predict_linear(node_filesystem_avail_bytes{root}[6h], 4 * 86400))"
            f" / min by (node) (node_filesystem_size_bytes{root})",
            "{{node}} in 4 days",
        ),
        most=1,
        steps=_FULL,
        alerts=("DiskFullInHours", "DiskFullInDays"),
    )


def _pods(board: Board, terms: Terms) -> None:
    board.row("Pods")
    board.chart(
        "CPU by namespace",
        "Cores in use.",
        units.NoUnit,
        Query(
            "sum by (namespace) (rate(container_cpu_usage_seconds_total"
            f'{{container!="",{_NAMESPACE}}}[$__rate_interval]))',
            "{{namespace}}",
        ),
        stacked=True,
    )
    if terms.services:
        _limits(board)
    board.chart(
        "Pods of autoscalers",
        "What each asks for now. Where GPUs are the limit it stands at its end for ever.",
        units.NoUnit,
        Query(
            "max by (namespace, horizontalpodautoscaler)"
            f" (kube_horizontalpodautoscaler_status_desired_replicas{_IN_NAMESPACE})",
            "{{horizontalpodautoscaler}}",
        ),
        width=12,
        alerts=("AutoscalerAtMaximum", "AutoscalerBlind"),
    )


def _limits(board: Board) -> None:
    board.chart(
        "Memory, of its limit",
        "The fullest pod of each row; at 100 % it is killed.",
        units.PercentUnit,
        Query(f"topk(10, service:memory_of_limit:ratio{_IN_NAMESPACE})", "{{service}}"),
        most=1,
        steps=_FULL,
        alerts=("ServiceMemoryNearLimit", "PodOutOfMemory"),
    )
    board.chart(
        "Held back at the CPU limit",
        "Share of scheduler periods in which the most held pod of a row had to wait, the ten highest.",
        units.PercentUnit,
        Query(f"topk(10, service:cpu_throttled:ratio_rate5m{_IN_NAMESPACE})", "{{service}}"),
        most=1,
        alerts=("ServiceCpuThrottled",),
    )


def _claims(board: Board) -> None:
    board.bars(
        "Claims, used",
        "Of each PersistentVolumeClaim. Volumes of local-path are folders: their figures are those of the "
        "node's disk.",
        units.PercentUnit,
        Query(
            f"max by ({_CLAIM}) (kubelet_volume_stats_used_bytes{_IN_NAMESPACE})"
            f" / max by ({_CLAIM}) (kubelet_volume_stats_capacity_bytes{_IN_NAMESPACE})",
            "{{persistentvolumeclaim}}",
        ),
        width=12,
        most=1,
        steps=_FULL,
        alerts=("VolumeFullInHours", "VolumeFullInDays"),
    )
