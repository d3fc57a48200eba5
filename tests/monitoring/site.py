"""Stack `local` as things with names: nodes, pods and claims of which all exporters speak alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from sophia_infra.manifests.claims import claim_name
from sophia_infra.manifests.names import MONITORING_NAMESPACE
from sophia_infra.manifests.queues import CLUSTER_QUEUE
from sophia_infra.manifests.stores.names import backup_name, sentinel_name
from sophia_infra.model.kubernetes import CpuSpan, MemorySpan, Node, bytes_of, millicores_of, place
from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.stack import StackConfig
from sophia_infra.model.stack_config import load_stack_config
from sophia_infra.monitoring.terms import Terms, terms_of
from tests.monitoring.rule_cases import CHECKOUT

__all__ = ["CLUSTER_QUEUE", "Claim", "CronJob", "Gpu", "Pod", "Site", "Size", "Workload", "local_site"]


@dataclass(frozen=True)
class Gpu:
    """One GPU of a node."""

    node: Node
    uuid: str
    memory_mib: int


@dataclass(frozen=True)
class Size:
    """What a container asks for and may take: cores and bytes."""

    cpu_request: float = 0.1
    cpu_limit: float = 0.5
    memory_request: float = 128e6
    memory_limit: float = 512e6

    @classmethod
    def of(cls, cpu: CpuSpan, memory: MemorySpan) -> Size:
        cores = (millicores_of(cpu.request) / 1000, millicores_of(cpu.limit) / 1000)
        return cls(*cores, float(bytes_of(memory.request)), float(bytes_of(memory.limit)))


@dataclass(frozen=True)
class Pod:
    """One pod with one container.

    Attributes:
        service: the row; "" for a part of the platform.
        owner_kind, owner: the workload that made it.
    """

    name: str
    namespace: str
    service: str
    container: str
    node: str
    owner_kind: str
    owner: str
    size: Size
    gpu: Gpu | None = None

    @property
    def address(self) -> str:
        """Of its page; the documentation range, told apart by its name."""
        return f"{self.name}:9090"


@dataclass(frozen=True)
class Workload:
    """A Deployment, StatefulSet or DaemonSet."""

    kind: str
    name: str
    namespace: str
    pods: tuple[Pod, ...]
    min_replicas: int = 0
    max_replicas: int = 0


@dataclass(frozen=True)
class Claim:
    """A PersistentVolumeClaim."""

    name: str
    namespace: str
    node: str
    size_bytes: float


@dataclass(frozen=True)
class CronJob:
    """A daily copy of a database."""

    name: str
    namespace: str
    schedule: str


@dataclass(frozen=True)
class Site:
    """All of it."""

    config: StackConfig
    terms: Terms
    nodes: tuple[Node, ...]
    gpus: tuple[Gpu, ...]
    workloads: tuple[Workload, ...]
    claims: tuple[Claim, ...]
    cron_jobs: tuple[CronJob, ...]
    prices: PriceBook

    @property
    def pods(self) -> tuple[Pod, ...]:
        return tuple(pod for workload in self.workloads for pod in workload.pods)

    def usd_per_hour(self, node: Node) -> float:
        return float(self.prices.get(node.instance_type))

    def pod_of(self, gpu: Gpu) -> Pod | None:
        return next((pod for pod in self.pods if pod.gpu == gpu), None)


@cache
def local_site() -> Site:
    """The tracked stack `local`, all GPUs taken: those without a service by jobs of the training queue."""
    config = load_stack_config(CHECKOUT / "Pulumi.local.yaml")
    nodes = next(iter(place(config).clusters.values())).nodes
    gpus = tuple(Gpu(node, f"GPU-{node.name}-0", 48 * 1024) for node in nodes if node.gpu_model is not None)
    places = _Places(nodes, gpus)
    workloads = [*_services(config, places), *_databases(config, places), *_platform(places)]
    workloads.append(_training(config, places))
    return Site(
        config,
        terms_of(config, "sophia-infra/local"),
        nodes,
        gpus,
        tuple(workloads),
        tuple(_claims(config, tuple(workloads))),
        tuple(_cron_jobs(config)),
        PriceBook.fallback(),
    )


class _Places:
    """Gives pods a node, one after the other, and GPUs to those that want one."""

    def __init__(self, nodes: tuple[Node, ...], gpus: tuple[Gpu, ...]) -> None:
        self.nodes = nodes
        self._free = list(gpus)
        self._next = 0

    def gpu(self, model: str | None = None) -> Gpu | None:
        for gpu in self._free:
            if model is None or gpu.node.gpu_model == model:
                self._free.remove(gpu)
                return gpu
        return None

    def node(self) -> str:
        self._next += 1
        return self.nodes[self._next % len(self.nodes)].name


def _services(config: StackConfig, places: _Places) -> list[Workload]:
    kube = config.kubernetes
    assert kube is not None
    most_replicas = place(config).max_replicas
    made = []
    for name, row in kube.enabled_workloads().items():
        pods = []
        for number in range(row.replicas):
            gpu = places.gpu(row.gpu.model) if row.gpu is not None and row.gpu.count else None
            node = gpu.node.name if gpu else places.node()
            size = Size.of(row.cpu, row.memory)
            pods.append(_replica(name, row.namespace, name, node, size, number=number, service=name, gpu=gpu))
        least = row.autoscale.min if row.autoscale else 0
        # Where a GPU is the limit, an autoscaler stands at its end for ever, and that is health.
        most = min(row.autoscale.max, most_replicas[name]) if row.autoscale else 0
        made.append(Workload("Deployment", name, row.namespace, tuple(pods), least, most))
    return made


def _replica(
    owner: str,
    namespace: str,
    container: str,
    node: str,
    size: Size,
    *,
    number: int = 0,
    service: str = "",
    gpu: Gpu | None = None,
) -> Pod:
    """A pod of a Deployment, with the two endings that its name has."""
    set_name = f"{owner}-7d9f8b6c5"
    name = f"{set_name}-{number:05d}"
    return Pod(name, namespace, service, container, node, "ReplicaSet", set_name, size, gpu)


def _databases(config: StackConfig, places: _Places) -> list[Workload]:
    kube = config.kubernetes
    assert kube is not None
    made = []
    for name, row in kube.enabled_databases().items():
        sets: list[tuple[str, str, str]] = [(name, row.kind, name)]
        if row.sentinel:
            sets.append((sentinel_name(name), "sentinel", ""))
        for own_name, container, service in sets:
            pods = tuple(
                Pod(
                    f"{own_name}-{number}",
                    row.namespace,
                    service,
                    container,
                    places.node(),
                    "StatefulSet",
                    own_name,
                    Size.of(row.cpu, row.memory),
                )
                for number in range(row.replicas)
            )
            made.append(Workload("StatefulSet", own_name, row.namespace, pods))
    return made


def _platform(places: _Places) -> list[Workload]:
    made = []
    for name, container in (
        ("sophia-exporter", "exporter"),
        ("kube-state-metrics", "kube-state-metrics"),
        ("kube-prometheus-stack-operator", "kube-prometheus-stack"),
    ):
        pod = _replica(name, MONITORING_NAMESPACE, container, places.node(), Size())
        made.append(Workload("Deployment", name, MONITORING_NAMESPACE, (pod,)))
    for name, container in (
        ("prometheus-kube-prometheus-stack-prometheus", "prometheus"),
        ("alertmanager-kube-prometheus-stack-alertmanager", "alertmanager"),
    ):
        node = places.node()
        pod = Pod(f"{name}-0", MONITORING_NAMESPACE, "", container, node, "StatefulSet", name, Size())
        made.append(Workload("StatefulSet", name, MONITORING_NAMESPACE, (pod,)))
    for name, namespace, container in (
        ("node-exporter", MONITORING_NAMESPACE, "node-exporter"),
        ("nvidia-dcgm-exporter", "gpu-operator", "nvidia-dcgm-exporter"),
    ):
        pods = tuple(
            Pod(f"{name}-{number:05d}", namespace, "", container, node, "DaemonSet", name, Size())
            for number, node in enumerate(one.name for one in places.nodes)
        )
        made.append(Workload("DaemonSet", name, namespace, pods))
    return made


def _training(config: StackConfig, places: _Places) -> Workload:
    kube = config.kubernetes
    assert kube is not None
    assert kube.training is not None
    pods: list[Pod] = []
    namespace, job, size = kube.training.namespace, "large-model", Size(2, 4, 8e9, 16e9)
    while (gpu := places.gpu()) is not None:
        name = f"{job}-{len(pods)}"
        pods.append(Pod(name, namespace, "", "trainer", gpu.node.name, "Job", job, size, gpu))
    return Workload("Job", job, namespace, tuple(pods))


def _claims(config: StackConfig, workloads: tuple[Workload, ...]) -> list[Claim]:
    kube = config.kubernetes
    assert kube is not None
    by_name = {workload.name: workload for workload in workloads}
    made = []
    for name, row in kube.enabled_workloads().items():
        for volume, one in row.volumes.items():
            if not one.cache:
                node = by_name[name].pods[0].node
                made.append(Claim(claim_name(name, volume), row.namespace, node, float(bytes_of(one.size))))
    for name, store in kube.enabled_databases().items():
        for pod in by_name[name].pods:
            size = float(bytes_of(store.storage))
            made.append(Claim(f"data-{pod.name}", store.namespace, pod.node, size))
        if store.backup is not None and store.backup.size:
            size = float(bytes_of(store.backup.size))
            made.append(Claim(claim_name(name, "backup"), store.namespace, by_name[name].pods[0].node, size))
    return made


def _cron_jobs(config: StackConfig) -> list[CronJob]:
    kube = config.kubernetes
    assert kube is not None
    return [
        CronJob(backup_name(name), row.namespace, row.backup.schedule)
        for name, row in kube.enabled_databases().items()
        if row.backup is not None
    ]
