"""One emulated account, a cluster in memory, a virtual clock, and scalers on them; each one a process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from sophia_infra.emulator import Cloud
from sophia_infra.emulator.launch_orders import LaunchOrder
from sophia_infra.lambda_cloud import LambdaCloud, Pacer
from sophia_infra.model.clock import VirtualClock
from sophia_infra.model.quota import QuotaConfig
from sophia_infra.model.scaled_tags import ScaledName
from sophia_infra.provider.journal import Journal
from sophia_infra.provider.session import Session, Waits
from sophia_infra.scaling.errors import ScalingError
from sophia_infra.scaling.nodes.cluster import ClusterNodes, ClusterView
from sophia_infra.scaling.nodes.demand import DemandSource, Need
from sophia_infra.scaling.nodes.lease import FileLease, KubernetesLease, Lease
from sophia_infra.scaling.nodes.scaler import NodeScaler
from sophia_infra.scaling.nodes.settings import FleetMachine, Limits, PoolSettings, ScalerSettings
from tests.unit.scaling_nodes.fake_cluster import FakeCluster as FakeCluster

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
        self._open_account()

    def begin_anew(self, **settings: Any) -> None:
        """As new: an empty account with these settings, and an empty cluster."""
        self.cloud.reset()
        self._open_account()
        self.set(**settings)
        self.cluster.nodes.clear()
        self.cluster.pods.clear()
        self.cluster.leases.clear()
        self.joined.clear()

    def _open_account(self) -> None:
        """A key, and room for what the pools of these tests ask for.

        A list of the 456 places that the whole catalogue has would be most of a look's time.
        """
        with self.cloud.lock:
            self.cloud.ssh_keys.add(KEY_NAME, PUBLIC_KEY)
        self.set(default_capacity=0)
        for kind in (A10, A100):
            for region in (EAST, WEST):
                self.cloud.set_capacity(kind, region, None)

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
