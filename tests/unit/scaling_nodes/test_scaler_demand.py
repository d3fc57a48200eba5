"""What asks for nodes: a real HTTP answer in Prometheus' form, pods that wait, and what is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sophia_infra.model.clock import VirtualClock
from sophia_infra.model.scaler import DemandConfig
from sophia_infra.scaling.errors import ScalingError, SettingsRefused
from sophia_infra.scaling.nodes.cluster import ClusterNodes, ClusterView, NodeSeen, PodSeen
from sophia_infra.scaling.nodes.demand import ForecastDemand, LoadDemand, PendingPodsDemand, demand_sources
from sophia_infra.scaling.nodes.errors import ClusterUnavailable
from tests.unit.scaling_nodes.ground import A100, EAST, FakeCluster, pool

SAMPLES: list[list[Any]] = []


class _Prometheus(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        low, high = float(asked["start"][0]), float(asked["end"][0])
        values = [row for row in SAMPLES if low <= row[0] <= high]
        result = [{"metric": {}, "values": values}] if values else []
        body = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def prometheus() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Prometheus)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    SAMPLES.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def source(url: str, clock: VirtualClock, **more: Any) -> LoadDemand:
    config = DemandConfig.model_validate({"source": "prometheus", "query": "q", "per_node": 10, **more})
    [made] = demand_sources(pool(demand=(config,)), prometheus_url=url, clock=clock, interval_s=60)
    assert isinstance(made, LoadDemand)
    return made


def test_the_newest_value_counts_at_the_target(prometheus: str) -> None:
    clock = VirtualClock()
    minute_s = clock.now() // 60 * 60
    SAMPLES[:] = [[minute_s - 120, "99"], [minute_s - 60, "30"], [minute_s, "NaN"]]
    need = source(prometheus, clock).need(None)
    assert (need.soon, need.later) == (4, 4)
    assert "a load of 30" in need.words


def test_what_is_old_or_missing_says_nothing(prometheus: str) -> None:
    clock = VirtualClock()
    minute_s = clock.now() // 60 * 60
    with pytest.raises(ScalingError, match="nothing was measured in the last 5 min"):
        source(prometheus, clock).need(None)
    SAMPLES[:] = [[minute_s - 180, "30"]]
    assert source(prometheus, clock).need(None).soon == 4
    with pytest.raises(ScalingError, match="measured"):
        source(prometheus, clock, max_age_s=60).need(None)


def test_a_load_without_a_prometheus_is_refused_by_name() -> None:
    config = DemandConfig.model_validate({"source": "forecast", "per_node": 1})
    with pytest.raises(SettingsRefused, match="SOPHIA_PROMETHEUS_URL"):
        demand_sources(pool(demand=(config,)), prometheus_url=None, clock=VirtualClock(), interval_s=60)


def test_a_forecast_reaches_at_least_a_lead_time_ahead() -> None:
    config = DemandConfig.model_validate({"source": "forecast", "per_node": 1})
    far = pool(demand=(config,), lead_s=3600.0)
    with pytest.raises(SettingsRefused, match="horizon_s is 3600"):
        demand_sources(far, prometheus_url="http://127.0.0.1:9", clock=VirtualClock(), interval_s=60)
    near = pool(demand=(config,), lead_s=3300.0)
    [made] = demand_sources(near, prometheus_url="http://127.0.0.1:9", clock=VirtualClock(), interval_s=60)
    assert isinstance(made, ForecastDemand)


def seen(*pending: PodSeen, used: int = 0, idle: int = 0) -> ClusterView:
    names = [f"gpu-scaled-{at}" for at in range(1, used + idle + 1)]
    nodes = {name: NodeSeen(name, "gpu", True, gpu_pods=int(at < used)) for at, name in enumerate(names)}
    nodes["x-scaled-1"] = NodeSeen("x-scaled-1", "x", True, gpu_pods=5)
    return ClusterView(nodes, pending)


def test_pods_that_wait_are_packed_and_nodes_in_use_kept() -> None:
    eight = PendingPodsDemand("gpu", "gpu_8x_h100_sxm5", (EAST,))
    pods = [PodSeen(size) for size in (5, 4, 3, 4)]
    assert eight.need(seen(*pods, used=1, idle=2)).soon == 3
    assert eight.need(seen(idle=2)).soon == 0
    one = PendingPodsDemand("gpu", A100, (EAST,))
    assert one.need(seen(PodSeen(1), PodSeen(1), PodSeen(2))).soon == 2, "two GPUs fit on no node of one"


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ({}, True),
        ({"sophia.internal/gpu": "a100", "kubernetes.io/arch": "amd64"}, True),
        ({"sophia.internal/region": EAST}, True),
        ({"sophia.internal/gpu": "gh200"}, False),
        ({"sophia.internal/scaled": "other"}, False),
        ({"sophia.internal/instance": "core"}, False),
    ],
)
def test_a_pod_that_no_node_of_the_pool_could_run_asks_for_none(selector: dict[str, str], fits: bool) -> None:
    need = PendingPodsDemand("gpu", A100, (EAST,)).need(seen(PodSeen(1, selector)))
    assert need.soon == int(fits)


def test_without_a_cluster_pods_say_nothing() -> None:
    with pytest.raises(ScalingError, match="the cluster does not answer"):
        PendingPodsDemand("gpu", A100, (EAST,)).need(None)


def test_a_look_reads_nodes_pods_and_drains() -> None:
    cluster = FakeCluster()
    keeper = ClusterNodes(cluster)
    cluster.join("gpu-scaled-1", "gpu")
    cluster.nodes["core"] = {"metadata": {"name": "core", "labels": {}}, "spec": {}, "status": {}}
    cluster.place("model", "gpu-scaled-1")
    cluster.place("web", "gpu-scaled-1", gpus=0)
    cluster.pods["waits"] = {
        "metadata": {"name": "waits", "namespace": "apps"},
        "spec": {
            "nodeSelector": {"sophia.internal/gpu": "a10"},
            "containers": [{"resources": {"limits": {"nvidia.com/gpu": "1"}}}, {}],
            "initContainers": [{"resources": {"limits": {"nvidia.com/gpu": "2"}}}],
        },
        "status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]},
    }
    keeper.begin_drain("gpu-scaled-1", 1000.4)
    view = keeper.look()
    assert view.nodes == {"gpu-scaled-1": NodeSeen("gpu-scaled-1", "gpu", True, 1000.0, 1)}
    assert view.pending == (PodSeen(2, {"sophia.internal/gpu": "a10"}),)
    keeper.end_drain("gpu-scaled-1")
    assert keeper.look().nodes["gpu-scaled-1"].draining_since_s is None


def test_a_node_of_others_is_never_changed() -> None:
    cluster = FakeCluster()
    keeper = ClusterNodes(cluster)
    cluster.nodes["core"] = {"metadata": {"name": "core", "labels": {}}, "spec": {}, "status": {}}
    cluster.place("model", "core")
    keeper.begin_drain("core", 1.0)
    assert keeper.drain("core") == []
    keeper.delete("core")
    keeper.end_drain("core")
    assert cluster.nodes["core"]["spec"] == {}
    assert {row.split()[0] for row in cluster.asked} == {"GET"}
    assert cluster.on_node("core") == ["model"]


def test_a_cluster_that_is_away_is_said_in_words() -> None:
    cluster = FakeCluster(is_down=True)
    with pytest.raises(ClusterUnavailable, match="does not answer"):
        ClusterNodes(cluster).look()
