"""1-Click Clusters, read through a door that refuses everything else; and the Kueue jobs of joined ones."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from sophia_infra.charts import check_custom_object
from sophia_infra.emulator import Cloud, CloudSettings, EmulatorServer
from sophia_infra.lambda_cloud import LambdaCloud, Pacer
from sophia_infra.manifests.training_clusters import training_cluster_objects
from sophia_infra.model.clock import VirtualClock
from sophia_infra.model.kubernetes.services import TrainingConfig
from sophia_infra.training.adoption import adopt_cluster
from sophia_infra.training.errors import RunMissing, RunRefused
from sophia_infra.training.kueue_job import JobRequest, job_set, training_job
from tests.unit.manifests.kubernetes_schemas import schema_problems
from tests.unit.model.test_model_training import cluster
from tests.unit.training.ground import API_KEY, H100, Ground

CLUSTER_ID = "0920582c7ff041399e34823a0be62549"


class ReadOnlyDoor:
    """Lambda Cloud with one 1-Click Cluster: GET of its machines and nothing else is answered."""

    def __init__(self, ground: Ground) -> None:
        self.seen: list[str] = []
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                door.seen.append(f"GET {self.path}")
                url, headers = f"{ground.url}/api/v1/instances", dict(self.headers)
                rows = requests.get(url, headers=headers, timeout=10).json()["data"]
                mine = [row for row in rows if (row.get("name") or "").startswith("worker")]
                self._answer(200, {"data": mine if CLUSTER_ID in self.path else []})

            def do_POST(self) -> None:
                door.seen.append(f"POST {self.path}")
                self._answer(405, {"error": {"code": "global/not-found", "message": "no"}})

            def _answer(self, status: int, body: Any) -> None:
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def door(ground: Ground) -> Iterator[ReadOnlyDoor]:
    door = ReadOnlyDoor(ground)
    yield door
    door.close()


@pytest.fixture(scope="module")
def _server(clock: VirtualClock) -> Iterator[EmulatorServer]:
    """Over HTTP: the read-only door is no client of ours."""
    with EmulatorServer(Cloud(CloudSettings(validate_answers=True), clock)) as server:
        yield server


@pytest.fixture
def reader(ground: Ground, door: ReadOnlyDoor) -> Iterator[LambdaCloud]:
    url = f"http://127.0.0.1:{door.server.server_port}"
    pacer = Pacer(None, "test", ground.clock, 0.0, 0.0)
    with LambdaCloud(url, API_KEY, clock=ground.clock, pacer=pacer) as cloud:
        yield cloud


def test_a_one_click_cluster_is_read_by_its_id_and_nothing_is_sent_besides(
    ground: Ground, door: ReadOnlyDoor, reader: LambdaCloud
) -> None:
    for name in ("worker-gpu-2", "worker-gpu-1", "of somebody else"):
        ground.launch_outside(name)
    cluster = adopt_cluster(reader, CLUSTER_ID)
    assert [machine.name for machine in cluster.machines] == ["worker-gpu-1", "worker-gpu-2"]
    assert (cluster.gpus, cluster.usd_per_hour) == (2, Decimal("2.58"))
    assert cluster.as_json()["cluster_id"] == CLUSTER_ID
    assert door.seen == [f"GET /api/v1/instances?cluster_id={CLUSTER_ID}"]


def test_an_unknown_cluster_is_missing_and_a_wrong_id_sends_nothing(
    door: ReadOnlyDoor, reader: LambdaCloud
) -> None:
    with pytest.raises(RunMissing, match="no machine of the 1-Click Cluster"):
        adopt_cluster(reader, "0" * 32)
    with pytest.raises(RunRefused, match="is not the id"):
        adopt_cluster(reader, "my-cluster")
    assert len(door.seen) == 1


def test_the_emulator_has_the_cluster_that_was_put_there(ground: Ground) -> None:
    with pytest.raises(RunMissing):
        adopt_cluster(ground.client(), CLUSTER_ID)
    machine = ground.launch_outside("worker-1")
    ground.cloud.set_cluster(machine, CLUSTER_ID)
    assert [one.id for one in adopt_cluster(ground.client(), CLUSTER_ID).machines] == [machine]


def request(**changes: Any) -> JobRequest:
    whole: dict[str, Any] = {
        "name": "large-model-training-20260820-101112-3fa9c1",
        "instance_type": H100,
        "nodes": 8,
        "image": "registry.example.com/train@sha256:" + "0" * 64,
        "command": ["train.py", "--epochs", "3"],
        "max_hours": 24,
        "max_usd": Decimal(6500),
    }
    return JobRequest(**{**whole, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"nodes": 1},
        {"instance_type": "gpu_1x_gh200"},
        {"env_secret": "keys", "claim": "runs"},
        {"cluster": "trainer", "variables": {"SOPHIA_NODES": "8"}},
        {"name": "a"},
    ],
)
def test_the_api_server_takes_job_and_service(changes: dict[str, Any]) -> None:
    for body in training_job(request(**changes), TrainingConfig()):
        assert schema_problems(body) == []


@pytest.mark.parametrize("changes", [{}, {"nodes": 1}, {"env_secret": "keys", "claim": "runs"}])
def test_the_api_server_takes_the_job_set_and_the_job_in_it(changes: dict[str, Any]) -> None:
    body = job_set(request(**changes), TrainingConfig())
    assert check_custom_object(body) == []
    inner = body["spec"]["replicatedJobs"][0]["template"]["spec"]
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}, "spec": inner}
    assert schema_problems(job) == []


def test_kueue_lets_it_begin_in_the_queue_of_the_configuration() -> None:
    training = TrainingConfig(namespace="lab", queue="nights")
    for body in (*training_job(request(), training)[1:], job_set(request(), training)):
        assert body["spec"]["suspend"] is True
        assert body["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "nights"
        assert body["metadata"]["namespace"] == "lab"
        assert body["metadata"]["annotations"]["sophia.internal/max-usd"] == "6500"
        assert body["metadata"]["labels"]["workload"] == "training"


@pytest.mark.parametrize("types", [{}, {"type": "1xGH200"}, {"fallbacks": ["8xA100"]}])
def test_the_queue_of_a_cluster_holds_its_job_on_its_own_nodes(types: dict[str, Any]) -> None:
    config = cluster(bootstrap="join", image="example.test/train:1", **types)
    bodies = [one.body for one in training_cluster_objects("trainer", config, TrainingConfig(), "sophia")]
    assert [problem for body in bodies for problem in check_custom_object(body)] == []
    *flavors, queue, local = bodies
    assert local["metadata"] == {**local["metadata"], "name": "trainer", "namespace": "sophia-training"}
    [group] = queue["spec"]["resourceGroups"]
    assert [row["name"] for row in group["flavors"]] == [row["metadata"]["name"] for row in flavors]
    for instance_type, flavor, row in zip(config.types, flavors, group["flavors"], strict=True):
        asked = request(cluster="trainer", instance_type=instance_type, nodes=config.max_nodes)
        pod = training_job(asked, TrainingConfig())[1]["spec"]["template"]["spec"]
        assert pod["nodeSelector"].items() <= flavor["spec"]["nodeLabels"].items()
        taints = flavor["spec"].get("nodeTaints", [])
        assert {taint["key"] for taint in taints} <= {one["key"] for one in pod["tolerations"]}
        quotas = {one["name"]: one["nominalQuota"] for one in row["resources"]}
        wanted = pod["containers"][0]["resources"]["requests"]
        assert int(quotas["nvidia.com/gpu"]) == int(wanted["nvidia.com/gpu"]) * config.max_nodes
        assert int(quotas["cpu"]) >= int(wanted["cpu"]) * config.max_nodes


def test_a_job_of_a_cluster_waits_in_its_queue_for_its_own_nodes() -> None:
    job = training_job(request(cluster="trainer"), TrainingConfig())[1]
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "trainer"
    assert job["spec"]["template"]["spec"]["nodeSelector"] == {
        "sophia.internal/training": "trainer",
        "sophia.internal/gpu": "h100-training",
    }


def test_every_pod_takes_a_whole_machine_and_finds_rank_0() -> None:
    service, job = training_job(request(), TrainingConfig())
    spec = job["spec"]
    assert (spec["completions"], spec["parallelism"], spec["completionMode"]) == (8, 8, "Indexed")
    assert spec["activeDeadlineSeconds"] == 24 * 3600
    pod = spec["template"]["spec"]
    [container] = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "8"
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert int(container["resources"]["limits"]["cpu"]) < 208
    assert pod["nodeSelector"] == {"sophia.internal/gpu": "h100"}
    name = job["metadata"]["name"]
    assert f"--master-addr={name}-0.{name}.sophia-training.svc" in container["command"]
    assert "--node-rank=$(JOB_COMPLETION_INDEX)" in container["command"]
    assert (pod["subdomain"], service["spec"]["clusterIP"]) == (name, "None")
    assert len(f"{name}-0") <= 63


def test_only_a_pod_of_an_arm64_machine_tolerates_arm64() -> None:
    def keys(instance_type: str) -> set[str]:
        job = training_job(request(instance_type=instance_type), TrainingConfig())[1]
        return {row["key"] for row in job["spec"]["template"]["spec"]["tolerations"]}

    assert keys("gpu_1x_gh200") == {"nvidia.com/gpu", "kubernetes.io/arch"}
    assert keys(H100) == {"nvidia.com/gpu"}
