"""Clusters with pods, as kube-state-metrics and the exporter show them, and what each part costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tests.monitoring.rule_cases import Recorded

__all__ = ["CASES", "MIXED", "Node", "Pod", "adds_up", "series_of", "usd_by_namespace"]

IDLE = "__idle__"
_RESOURCES = {"gpu": "nvidia_com_gpu", "cpu": "cpu", "memory": "memory"}


@dataclass(frozen=True)
class Node:
    """A machine of the stack.

    Attributes:
        weights: shares of its price, of gpu, cpu and memory.
        allocatable: places of GPUs (shared ones count by their places), cores, bytes; 0 is not reported.
    """

    name: str
    usd_per_hour: Fraction
    weights: Mapping[str, Fraction]
    allocatable: Mapping[str, int]
    gpu_model: str = "A10"


@dataclass(frozen=True)
class Pod:
    """A pod; `node` is empty while it waits for one. `owner` is kind and name; None: nobody's."""

    name: str
    namespace: str
    node: str
    requests: Mapping[str, Fraction]
    phase: str = "Running"
    owner: tuple[str, str] | None = ("StatefulSet", "store")

    @property
    def holds_its_place(self) -> bool:
        return self.phase in ("Running", "Pending") and bool(self.node)


def series_of(nodes: Sequence[Node], pods: Sequence[Pod]) -> dict[str, str]:
    """One sample of everything."""
    found: dict[str, str] = {}
    for node in nodes:
        machine = (
            f'instance_id="i-{node.name}",instance_type="gpu_1x",gpu_model="{node.gpu_model}",region="r"'
        )
        found[f'lambda_node_usd_per_hour{{node="{node.name}",{machine}}}'] = _value(node.usd_per_hour)
        for resource, name in _RESOURCES.items():
            weight = f'lambda_node_cost_weight{{node="{node.name}",resource="{resource}"}}'
            found[weight] = _value(node.weights[resource])
            if resource != "gpu" or node.allocatable[resource]:
                labels = f'node="{node.name}",resource="{name}",unit="u"'
                found[f"kube_node_status_allocatable{{{labels}}}"] = _value(node.allocatable[resource])
    for pod in pods:
        labels = f'namespace="{pod.namespace}",pod="{pod.name}",uid="{pod.name}"'
        for phase in ("Pending", "Running", "Succeeded", "Failed", "Unknown"):
            found[f'kube_pod_status_phase{{{labels},phase="{phase}"}}'] = _value(phase == pod.phase)
        for resource, amount in pod.requests.items():
            # Two containers share what the pod asks for.
            for container, share in (("main", Fraction(3, 4)), ("side", Fraction(1, 4))):
                place = (
                    f'container="{container}",node="{pod.node}",resource="{_RESOURCES[resource]}",unit="u"'
                )
                name = f"kube_pod_container_resource_requests{{{labels},{place}}}"
                found[name] = _value(amount * share)
        kind, owner = pod.owner or ("", "")
        controller = str(pod.owner is not None).lower()
        made_by = f'owner_kind="{kind}",owner_name="{owner}",owner_is_controller="{controller}"'
        found[f"kube_pod_owner{{{labels},{made_by}}}"] = "1"
    return found


def usd_by_namespace(nodes: Sequence[Node], pods: Sequence[Pod]) -> dict[str, Fraction]:
    """What each namespace costs an hour, by exact arithmetic."""
    usd: dict[str, Fraction] = defaultdict(Fraction)
    for node in nodes:
        here = [pod for pod in pods if pod.node == node.name and pod.holds_its_place]
        for resource, weight in node.weights.items():
            price, most = node.usd_per_hour * weight, node.allocatable[resource]
            shares = [pod.requests.get(resource, Fraction(0)) / most if most else Fraction(0) for pod in here]
            total = sum(shares, Fraction(0))
            for pod, share in zip(here, shares, strict=True):
                usd[pod.namespace] += price * share / max(total, Fraction(1))
            usd[IDLE] += price * max(1 - total, Fraction(0))
    return dict(usd)


def adds_up(name: str, nodes: Sequence[Node], pods: Sequence[Pod]) -> list[Recorded]:
    """The parts are those of exact arithmetic, and together the price of all nodes."""
    series = series_of(nodes, pods)
    total = "sum(lambda_node_usd_per_hour)"
    parts = {
        namespace: usd for namespace, usd in usd_by_namespace(nodes, pods).items() if usd or namespace == IDLE
    }
    expected = " or ".join(
        f'abs(namespace:usd_per_hour:sum{{namespace="{namespace}"}} - {_value(usd)}) < bool 1e-9'
        for namespace, usd in parts.items()
    )
    one = ("{}", 1.0)
    by_node = (
        "(sum by (node) (pod:usd_per_hour:sum) or on (node) sum by (node) (lambda_node_usd_per_hour) * 0)"
        " + on (node) sum by (node) (node_resource:idle_usd_per_hour:product)"
    )
    return [
        Recorded(
            f"{name}: by namespace",
            # A namespace that is not expected and costs something shows with its dollars.
            f"{expected} or namespace:usd_per_hour:sum > 1e-9",
            series,
            0,
            [(f'{{namespace="{namespace}"}}', 1.0) for namespace in parts],
        ),
        *(
            Recorded(f"{name}: {what} add up", f"abs(sum({what}) - {total}) < bool 1e-9", series, 0, [one])
            for what in ("namespace:usd_per_hour:sum", "workload:usd_per_hour:sum")
        ),
        Recorded(
            f"{name}: each node adds up",
            f"count(abs({by_node} - on (node) sum by (node) (lambda_node_usd_per_hour)) < 1e-9)",
            series,
            0,
            [("{}", float(len(nodes)))],
        ),
    ]


def _value(number: Fraction | int) -> str:
    return repr(float(number))


_GIB = 2**30


def _weights(gpu: str, cpu: str, memory: str) -> dict[str, Fraction]:
    return {"gpu": Fraction(gpu), "cpu": Fraction(cpu), "memory": Fraction(memory)}


def _requests(gpu: int = 0, cpu: str = "0", gib: int = 0) -> dict[str, Fraction]:
    asked = {"gpu": Fraction(gpu), "cpu": Fraction(cpu), "memory": Fraction(gib * _GIB)}
    return {resource: amount for resource, amount in asked.items() if amount}


_GH200 = Node(
    "core",
    Fraction("2.29"),
    _weights("0.5", "0.25", "0.25"),
    {"gpu": 1, "cpu": 64, "memory": 432 * _GIB},
    "GH200",
)
# Its one GPU is shared in time by four.
_A10 = Node(
    "dev", Fraction("1.29"), _weights("0.6", "0.3", "0.1"), {"gpu": 4, "cpu": 30, "memory": 200 * _GIB}
)
# Its GPU plugin has not come up.
_A6000 = Node(
    "mcp",
    Fraction("1.09"),
    _weights("0.8", "0.1", "0.1"),
    {"gpu": 0, "cpu": 14, "memory": 100 * _GIB},
    "A6000",
)

MIXED = (
    (_GH200, _A10, _A6000),
    (
        Pod("core-0", "ai", "core", _requests(1, "32", 108)),
        Pod("dev-a", "dev", "dev", _requests(1, "3"), owner=("ReplicaSet", "dev-1")),
        Pod("dev-b", "dev", "dev", _requests(1, "3"), owner=("ReplicaSet", "dev-1")),
        Pod("batch", "data", "dev", _requests(2, "15", 50), phase="Succeeded", owner=("Job", "batch-1")),
        Pod("next", "data", "dev", _requests(1), phase="Pending", owner=("Job", "batch-2")),
        Pod("waits", "data", "", _requests(1, "4"), phase="Pending"),
        Pod("greedy", "kube-system", "mcp", {}),
        Pod("alone", "ops", "mcp", _requests(cpu="28", gib=25), owner=None),
    ),
)
"""GH200 and A10, a shared GPU, ended pods, a pod without requests, one that asks for twice a node's CPUs."""

_SERIES = {
    **series_of(*MIXED),
    'kube_replicaset_owner{namespace="dev",replicaset="dev-1",owner_kind="Deployment",owner_name="playground",'
    'owner_is_controller="true"}': "1",
}


def _mixed(name: str, expr: str, gives: list[tuple[str, float]]) -> Recorded:
    return Recorded(f"mixed: {name}", f"round({expr}, 0.0001)", _SERIES, 0, gives)


_GH200_CORE = 2.29 * (0.5 + 0.25 / 2 + 0.25 / 4)

CASES = [
    *adds_up("mixed", *MIXED),
    *adds_up("nothing runs", MIXED[0], ()),
    _mixed(
        "by namespace",
        "namespace:usd_per_hour:sum",
        [
            # All of the GPU, half of the CPUs, a quarter of the memory of $2.29.
            ('{namespace="ai"}', round(_GH200_CORE, 4)),
            # Two of four places and 6 of 30 cores of $1.29.
            ('{namespace="dev"}', 0.4644),
            ('{namespace="data"}', 0.1935),
            # All CPUs, and a quarter of the memory of $1.09.
            ('{namespace="ops"}', 0.1363),
            ('{namespace="__idle__"}', 2.3015),
        ],
    ),
    _mixed(
        "by workload",
        "workload:usd_per_hour:sum",
        [
            ('{namespace="ai",workload="store",workload_kind="StatefulSet"}', round(_GH200_CORE, 4)),
            ('{namespace="dev",workload="playground",workload_kind="Deployment"}', 0.4644),
            ('{namespace="data",workload="batch-2",workload_kind="Job"}', 0.1935),
            ('{namespace="ops",workload="alone",workload_kind="Pod"}', 0.1363),
            ('{namespace="__idle__",workload="__idle__"}', 2.3015),
        ],
    ),
    _mixed(
        "pods with GPUs",
        "gpu_pod:usd_per_hour:sum",
        [
            ('{namespace="ai",pod="core-0",node="core",gpu_model="GH200"}', round(_GH200_CORE, 4)),
            ('{namespace="dev",pod="dev-a",node="dev",gpu_model="A10"}', 0.2322),
            ('{namespace="dev",pod="dev-b",node="dev",gpu_model="A10"}', 0.2322),
            ('{namespace="data",pod="next",node="dev",gpu_model="A10"}', 0.1935),
        ],
    ),
    _mixed(
        "GPUs that nobody holds",
        "gpu_model:idle_usd_per_hour:sum",
        # A quarter of the A10, and all of the A6000 while its plugin is away.
        [('{gpu_model="A10"}', 0.1935), ('{gpu_model="A6000"}', 0.872), ('{gpu_model="GH200"}', 0.0)],
    ),
]
