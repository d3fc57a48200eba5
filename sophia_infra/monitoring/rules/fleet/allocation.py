"""Dollars per namespace, workload and GPU pod: the price of each node, split over what runs on it.

A node's price per hour is split over its GPUs, CPUs and memory by `lambda_node_cost_weight`, and each part
over pods by the share of the node's allocatable amount that they request. What nobody requests is the node's
own: namespace `__idle__`. So the parts of a node always add up to its price, whatever runs there:

- Counted are pods that hold their place: running, or pending with a node. Completed ones hold nothing.
- A pod without requests costs nothing here; what it uses is in `__idle__`.
- Where requests exceed what is allocatable (a GPU plugin that restarts, a smaller node of the same name),
  each pod gets its share of the requests, and nothing is idle.
- A GPU that is shared in time counts by its places: one of four places is a quarter of the GPU.
- Init containers, which hold their requests for minutes only, are left out.

OpenCost, which knows no Lambda prices, takes one price per GPU for the whole cluster. For the five machines
of stack `local` that is $7.35 / 5 = $1.47 an hour: 36 % too little for the GH200 ($2.29) and 113 % too much
for the RTX 6000 ($0.69), and its parts add up to the price of a node only by chance.
"""

from __future__ import annotations

from typing import Final

from sophia_infra.monitoring.rule import Recording, RuleGroup
from sophia_infra.monitoring.terms import Terms

__all__ = ["IDLE", "groups"]

IDLE: Final = "__idle__"
"""Namespace and workload of what nobody requests; no namespace can be called that."""

_RESOURCES: Final = 'resource=~"cpu|memory|nvidia_com_gpu"'
_SHARE: Final = "pod_resource:request_share:ratio"
_PRICE: Final = "node_resource:usd_per_hour:product"
_POD_RESOURCE: Final = "pod_resource:usd_per_hour:product"
_IDLE_RESOURCE: Final = "node_resource:idle_usd_per_hour:product"
_POD: Final = "pod:usd_per_hour:sum"
_WORKLOAD_OF: Final = "pod:workload:info"


def groups(terms: Terms) -> tuple[RuleGroup, ...]:
    """Nothing without the exporter, which knows the prices."""
    if not terms.has_exporter:
        return ()
    rules = (
        Recording(_PRICE, _price()),
        Recording(_SHARE, _share()),
        Recording(_POD_RESOURCE, _pod_resource()),
        Recording(_IDLE_RESOURCE, _idle_resource()),
        Recording(_POD, f"sum by (namespace, pod, node) ({_POD_RESOURCE})"),
        Recording(_WORKLOAD_OF, _workload_of()),
        Recording("namespace:usd_per_hour:sum", f"sum by (namespace) ({_POD}) or {_idle('namespace')}"),
        Recording("workload:usd_per_hour:sum", _workload()),
        Recording("gpu_pod:usd_per_hour:sum", _gpu_pod()),
        Recording("gpu_model:idle_usd_per_hour:sum", _idle_gpus()),
    )
    return (RuleGroup("fleet-allocation", rules),)


def _price() -> str:
    """Dollars per hour of each node's GPUs, CPUs and memory."""
    return (
        "max by (node, resource) (lambda_node_cost_weight)"
        " * on (node) group_left () max by (node) (lambda_node_usd_per_hour)"
    )


def _share() -> str:
    """Share of the node's allocatable amount that a pod requests."""
    requests = _as_gpu(
        "max by (namespace, pod, container, node, resource) "
        f'(kube_pod_container_resource_requests{{{_RESOURCES},node!=""}})'
    )
    placed = 'max by (namespace, pod) (kube_pod_status_phase{phase=~"Pending|Running"} == 1)'
    allocatable = f"max by (node, resource) (kube_node_status_allocatable{{{_RESOURCES}}}) > 0"
    return (
        f"sum by (namespace, pod, node, resource) ({requests} * on (namespace, pod) group_left () {placed})"
        f" / on (node, resource) group_left () {_as_gpu(allocatable)}"
    )


def _pod_resource() -> str:
    requested = f"clamp_min(sum by (node, resource) ({_SHARE}), 1)"
    return (
        f"{_SHARE} / on (node, resource) group_left () {requested}"
        f" * on (node, resource) group_left () {_PRICE}"
    )


def _idle_resource() -> str:
    free = f"clamp_min(1 - sum by (node, resource) ({_SHARE}), 0)"
    return f"{_PRICE} * on (node, resource) ({free} or {_PRICE} * 0 + 1)"


def _workload_of() -> str:
    """1 for each pod, with what made it: a Deployment, StatefulSet, Job, ...; else the pod itself."""
    owner = 'kube_pod_owner{owner_is_controller="true"%s}'
    labels = "max by (namespace, pod, workload, workload_kind)"
    by_replica_set = _renamed(owner % ',owner_kind="ReplicaSet"', replicaset="owner_name")
    deployments = _renamed(
        'kube_replicaset_owner{owner_kind="Deployment"}', workload="owner_name", workload_kind="owner_kind"
    )
    through_deployment = (
        f"{labels} ({by_replica_set} * on (namespace, replicaset) group_left (workload, workload_kind) "
        f"max by (namespace, replicaset, workload, workload_kind) ({deployments}))"
    )
    directly = f"{labels} ({_renamed(owner % '', workload='owner_name', workload_kind='owner_kind')})"
    alone = _renamed(f"max by (namespace, pod) ({_POD}) * 0 + 1", workload="pod")
    alone = f'label_replace({alone}, "workload_kind", "Pod", "", "")'
    return f"{through_deployment} or on (namespace, pod) {directly} or on (namespace, pod) {alone}"


def _workload() -> str:
    with_workload = f"{_POD} * on (namespace, pod) group_left (workload, workload_kind) {_WORKLOAD_OF}"
    idle = f'label_replace({_idle("namespace")}, "workload", "{IDLE}", "", "")'
    return f"sum by (namespace, workload, workload_kind) ({with_workload}) or {idle}"


def _gpu_pod() -> str:
    """All dollars of each pod that holds a GPU, with the GPU's model."""
    model = "max by (node, gpu_model) (lambda_node_usd_per_hour) * 0 + 1"
    holds = f'{_SHARE}{{resource="gpu"}} > 0'
    return f"({_POD} and on (namespace, pod) {holds}) * on (node) group_left (gpu_model) ({model})"


def _idle_gpus() -> str:
    model = "max by (node, gpu_model) (lambda_node_usd_per_hour) * 0 + 1"
    idle = f'{_IDLE_RESOURCE}{{resource="gpu"}}'
    return f"sum by (gpu_model) ({idle} * on (node) group_left (gpu_model) ({model}))"


def _idle(label: str) -> str:
    return f'label_replace(sum({_IDLE_RESOURCE}), "{label}", "{IDLE}", "", "")'


def _as_gpu(expr: str) -> str:
    return f'label_replace({expr}, "resource", "gpu", "resource", "nvidia_com_gpu")'


def _renamed(expr: str, **labels: str) -> str:
    """`expr` with new labels that hold the values of others."""
    for new, old in labels.items():
        expr = f'label_replace({expr}, "{new}", "$1", "{old}", "(.*)")'
    return expr
