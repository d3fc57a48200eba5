"""One emulated account, a cluster in memory, a virtual clock, and scalers on them; each one a process."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from sophia_infra.emulator import Cloud
from sophia_infra.emulator.instances import LaunchOrder
from sophia_infra.kubernetes_plugin.errors import ApiRefused, ClusterUnreachable
from sophia_infra.lambda_cloud import LambdaCloud, Pacer
from sophia_infra.model.clock import VirtualClock
from sophia_infra.model.quota import QuotaConfig
from sophia_infra.model.scaled_tags import SCALED_NODE_LABEL, ScaledName
from sophia_infra.provider.journal import Journal
from sophia_infra.provider.session import Session, Waits
from sophia_infra.scaling.errors import ScalingError
from sophia_infra.scaling.nodes.cluster import ClusterNodes, ClusterView
from sophia_infra.scaling.nodes.demand import DemandSource, Need
from sophia_infra.scaling.nodes.lease import FileLease, KubernetesLease, Lease
from sophia_infra.scaling.nodes.scaler import NodeScaler
from sophia_infra.scaling.nodes.settings import FleetMachine, Limits, PoolSettings, ScalerSettings

STACK = "sophia-infra/test"
API_KEY = "any-key"
KEY_NAME = "team-key"
PUBLIC_KEY = "ssh-ed25519 " + "AAAAC3NzaC1lZDI1NTE5AAAAI" + "B" * 43 + " someone@example"
LIVE = ("booting", "active", "unhealthy")
BILLED = (*LIVE, "terminating")
A10, A100 = "gpu_1x_a10", "gpu_1x_a100_sxm4"
EAST, WEST = "us-east-1", "us-west-1"
A10_USD = Decimal("1.29")
INTERVAL_S = 60.0


def pool(**changes: Any) -> PoolSettings:
    whole: dict[str, Any] = {
        "name": "gpu",
        "types": (A10,),
        "regions": (EAST,),
        "min": 0,
        "max": 4,
        "ssh_key": KEY_NAME,
        "lead_s": 600.0,
        "ready_timeout_s": 1800.0,
        **changes,
    }
    return PoolSettings(**whole)


def limits(**changes: Any) -> Limits:
    whole: dict[str, Any] = {"max_instances": 10, "budget_usd_per_hour": Decimal(100), **changes}
    return Limits(**whole)


def settings(*pools: PoolSettings, fleet: Sequence[FleetMachine] = (), **changes: Any) -> ScalerSettings:
    return ScalerSettings(
        stack=STACK,
        pools=pools or (pool(),),
        limits=limits(**changes),
        fleet=tuple(fleet),
        interval_s=INTERVAL_S,
    )


@dataclass
class Asked:
    """A source that says what it is told to; None: it cannot say."""

    nodes: int | None = 0
    later: int | None = None
    kind: str = "prometheus"

    def need(self, cluster: ClusterView | None) -> Need:
        if self.nodes is None:
            raise ScalingError("nothing was measured.", next_step="look.")
        later = self.nodes if self.later is None else self.later
        return Need(self.kind, self.nodes, later, f"a load needs {self.nodes}")


@dataclass
class FakeCluster:
    """An API server in memory: nodes, pods, one lease. `Connection` speaks to a real one in tests/cluster."""

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    leases: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_down: bool = False
    stuck: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    before: Callable[[str, str], None] = lambda _method, _path: None
    after: Callable[[str, str], None] = lambda _method, _path: None
    _versions: Any = field(default_factory=lambda: itertools.count(1))

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        apply: bool = False,
    ) -> dict[str, Any]:
        self.before(method, path)
        if self.is_down:
            raise ClusterUnreachable("The API server does not answer.")
        self.asked.append(f"{method} {path}")
        answer = self._answer(method, path, dict(query or {}), body)
        self.after(method, path)
        return answer

    def _answer(self, method: str, path: str, query: dict[str, str], body: Any) -> dict[str, Any]:
        if path == "/api/v1/nodes":
            assert query["labelSelector"] == SCALED_NODE_LABEL
            rows = [one for one in self.nodes.values() if SCALED_NODE_LABEL in one["metadata"]["labels"]]
            return {"items": rows, "metadata": {}}
        if path.startswith("/api/v1/nodes/"):
            return self._node(method, path.rpartition("/")[2], body)
        if path == "/api/v1/pods":
            where = query["fieldSelector"].removeprefix("spec.nodeName=")
            rows = list(self.pods.values())
            if where != query["fieldSelector"]:
                rows = [one for one in rows if one["spec"].get("nodeName") == where]
            return {"items": rows, "metadata": {}}
        if path.endswith("/eviction"):
            return self._evict(path.split("/")[-2], body)
        assert "/leases" in path, path
        return self._lease(method, path, body)

    def _node(self, method: str, name: str, body: Any) -> dict[str, Any]:
        node = self.nodes.get(name)
        if node is None:
            raise ApiRefused("not found", code=404)
        if method == "DELETE":
            del self.nodes[name]
        if method == "PATCH":
            node["metadata"]["annotations"] = dict(body["metadata"].get("annotations", {}))
            node["spec"] = dict(body["spec"])
        return node

    def _evict(self, name: str, body: Any) -> dict[str, Any]:
        pod = self.pods.get(name)
        if pod is None:
            raise ApiRefused("not found", code=404)
        assert self.nodes[pod["spec"]["nodeName"]]["spec"].get("unschedulable"), "cordoned first"
        if name in self.stuck:
            raise ApiRefused("Cannot evict pod as it would violate its disruption budget.", code=429)
        assert body["deleteOptions"]["preconditions"]["uid"] == f"uid-{name}"
        pod["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:00Z"
        return {}

    def _lease(self, method: str, path: str, body: Any) -> dict[str, Any]:
        if method == "POST":
            name = body["metadata"]["name"]
            if name in self.leases:
                raise ApiRefused("exists", code=409)
        else:
            name = path.rpartition("/")[2]
            if name not in self.leases:
                raise ApiRefused("not found", code=404)
        if method == "GET":
            return cast("dict[str, Any]", _copy(self.leases[name]))
        if method == "PUT":
            version = self.leases[name]["metadata"]["resourceVersion"]
            if body["metadata"]["resourceVersion"] != version:
                raise ApiRefused("the object has been modified", code=409)
        stored = _copy(body)
        stored["metadata"]["resourceVersion"] = str(next(self._versions))
        self.leases[name] = stored
        return cast("dict[str, Any]", _copy(stored))

    # What happens in it

    def join(self, name: str, pool_name: str) -> None:
        self.nodes[name] = {
            "metadata": {"name": name, "labels": {SCALED_NODE_LABEL: pool_name}, "annotations": {}},
            "spec": {},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }

    def place(self, name: str, node: str, gpus: int = 1, **metadata: Any) -> None:
        limits = {"resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}
        self.pods[name] = {
            "metadata": {"name": name, "namespace": "apps", "uid": f"uid-{name}", **metadata},
            "spec": {"nodeName": node, "containers": [limits]},
            "status": {"phase": "Running"},
        }

    def on_node(self, node: str) -> list[str]:
        return [name for name, pod in self.pods.items() if pod["spec"].get("nodeName") == node]

    def settle(self) -> None:
        """Evicted pods end."""
        gone = [name for name, pod in self.pods.items() if pod["metadata"].get("deletionTimestamp")]
        for name in gone:
            del self.pods[name]


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


class WatchingClient:
    """The real client; what no scaler may ever do is noticed as it is asked for."""

    def __init__(self, client: LambdaCloud, ground: Ground) -> None:
        self._client = client
        self._ground = ground

    def terminate_instances(self, ids: Sequence[str]) -> Any:
        for one in ids:
            self._ground.watch_terminate(one)
        return self._client.terminate_instances(ids)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class Ground:
    def __init__(self, url: str, cloud: Cloud, clock: VirtualClock, folder: Path) -> None:
        self.url, self.cloud, self.clock, self.folder = url, cloud, clock, folder
        self.cluster = FakeCluster()
        self.said: list[str] = []
        self.join_s = 120.0
        self.violations: list[str] = []
        self.joined: set[str] = set()
        self._clients = contextlib.ExitStack()
        with cloud.lock:
            cloud.ssh_keys.add(KEY_NAME, PUBLIC_KEY)

    def close(self) -> None:
        self._clients.close()
        assert self.violations == []

    def client(self, *, paced: bool = True) -> LambdaCloud:
        pacer = Pacer(None, "test", self.clock) if paced else Pacer(None, "test", self.clock, 0.0, 0.0)
        real = self._clients.enter_context(
            LambdaCloud(self.url, API_KEY, clock=self.clock, pacer=pacer, random_part=lambda: 0.5)
        )
        return cast(LambdaCloud, WatchingClient(real, self))

    def session(self, client: LambdaCloud | None = None, journal: Journal | None = None) -> Session:
        return Session(
            client or self.client(),
            self.clock,
            journal or Journal(self.folder / "launches"),
            waits=Waits(poll_s=10),
            say=self.said.append,
        )

    def kubernetes_lease(self, identity: str = "one") -> KubernetesLease:
        return KubernetesLease(
            self.cluster,
            name="sophia-scaler-test",
            namespace="kube-system",
            identity=identity,
            now=self.clock.now,
        )

    def file_lease(self) -> FileLease:
        return FileLease(self.folder / "leader.lock", "one")

    def scaler(
        self,
        whole: ScalerSettings | None = None,
        demand: DemandSource | Mapping[str, Sequence[DemandSource]] | None = None,
        *,
        with_cluster: bool = True,
        lease: Lease | None = None,
        session: Session | None = None,
        **more: Any,
    ) -> NodeScaler:
        whole = whole or settings()
        sources: Mapping[str, Sequence[DemandSource]]
        if demand is None:
            sources = {}
        elif isinstance(demand, Mapping):
            sources = demand
        else:
            sources = {one.name: [demand] for one in whole.pools}
        return NodeScaler(
            whole,
            session or self.session(),
            lease or self.file_lease(),
            demand=sources,
            keeper=ClusterNodes(self.cluster) if with_cluster else None,
            apply=more.pop("apply", True),
            say=self.said.append,
            **more,
        )

    # Time and the world

    def pass_time(self, duration_s: float) -> None:
        self.cloud.advance(duration_s)
        self.sync()

    def sync(self) -> None:
        """Active machines become nodes, nodes of ended ones are not heard of any more, evicted pods end."""
        now_s = self.clock.now()
        self.cluster.settle()
        alive = set()
        for row in self.rows():
            name = row["tags"]["sophia-name"]
            if row["status"] not in LIVE:
                continue
            alive.add(name)
            boots_s = row["launched_at_s"] + self.join_s
            is_new = name not in self.cluster.nodes and row["id"] not in self.joined
            if row["status"] == "active" and now_s >= boots_s and is_new:
                self.joined.add(row["id"])
                self.cluster.join(name, name.rpartition("-scaled-")[0])
        for name, node in self.cluster.nodes.items():
            if name not in alive:
                node["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
                for pod in self.cluster.on_node(name):
                    del self.cluster.pods[pod]

    def run(self, scaler: NodeScaler, passes: int, on_pass: Callable[[], None] = lambda: None) -> None:
        for _ in range(passes):
            scaler.look_once()
            on_pass()
            self.pass_time(INTERVAL_S)

    # The account from outside

    def set(self, **values: Any) -> None:
        self.cloud.change_settings(values)

    def fault(self, operation: str, when: str, action: str, **more: Any) -> None:
        with self.cloud.lock:
            self.cloud.faults.add(operation, when, action, **more)

    def happens_outside(self, instance_id: str, status: str) -> None:
        with self.cloud.lock:
            self.cloud.instances.set_status(instance_id, status)

    def launch_outside(self, name: str, tags: Mapping[str, str] | None = None, kind: str = A10) -> str:
        labels = [{"key": key, "value": value} for key, value in (tags or {}).items()]
        with self.cloud.lock:
            return self.cloud.instances.launch(LaunchOrder(EAST, kind, [KEY_NAME], name=name, tags=labels)).id

    def everything(self) -> list[dict[str, Any]]:
        return list(self.cloud.dump()["instances"])

    def rows(self) -> list[dict[str, Any]]:
        """Every machine that was ever launched by a scaler of the stack."""
        return [
            row
            for row in self.everything()
            if ScaledName.of(row["tags"]) and row["tags"].get("sophia-stack") == STACK
        ]

    def live(self) -> list[dict[str, Any]]:
        return [row for row in self.rows() if row["status"] in LIVE]

    def names(self) -> list[str]:
        return sorted(row["tags"]["sophia-name"] for row in self.live())

    def watch_terminate(self, instance_id: str) -> None:
        row = next(row for row in self.everything() if row["id"] == instance_id)
        if ScaledName.of(row["tags"]) is None or row["tags"].get("sophia-stack") != STACK:
            self.violations.append(f"asked to end {row['name']}, which is not the scaler's")
        name = row["tags"].get("sophia-name", "")
        node = self.cluster.nodes.get(name)
        twins = [one for one in self.live() if one["tags"]["sophia-name"] == name]
        is_ready = node is not None and node["status"]["conditions"][0]["status"] == "True"
        if is_ready and len(twins) == 1 and row["status"] != "unhealthy" and self.cluster.on_node(name):
            self.violations.append(f"asked to end {name} while {self.cluster.on_node(name)} run there")


def quota(**changes: Any) -> QuotaConfig:
    return QuotaConfig.model_validate(changes)
