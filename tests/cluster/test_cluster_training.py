"""A run whose machines join: its nodes, its Job and its end on a real API server, beside the emulator.

No machine of the emulator boots, so what k3s would do is done here: a Node for a machine that is active, with
the labels of its very boot text. Kueue is not there either; letting the job in is one field that it sets.
"""

from __future__ import annotations

import base64
import gzip
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from sophia_infra.control_plane.errors import RequestRefused
from sophia_infra.control_plane.nodes import NodeSpec, build_node, build_node_status
from sophia_infra.emulator import Cloud, CloudSettings, EmulatorServer
from sophia_infra.engine.home import open_home
from sophia_infra.joining import make_credentials
from sophia_infra.kubernetes_plugin.connection import Connection
from sophia_infra.kubernetes_plugin.kubeconfig import load_kubeconfig
from sophia_infra.model.clock import ScaledClock
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig
from sophia_infra.model.kubernetes.services import TrainingConfig
from sophia_infra.model.training import TRAINING_NODE_LABEL, training_gpu_label
from sophia_infra.scaling.nodes.boot_text import JoinBootText
from sophia_infra.training.access import JobLook, JobStart, Node
from sophia_infra.training.attending import attend
from sophia_infra.training.errors import JobFailed
from sophia_infra.training.kubernetes_access import KubernetesAccess
from sophia_infra.training.opening import JoinMeans, open_means
from sophia_infra.training.run_folder import RunFolder, new_run_id, runs_folder
from sophia_infra.training.run_spec import Choice, RunSpec
from tests.cluster.plane import Plane

A10, REGION = "gpu_1x_a10", "us-east-1"
IMAGE = "registry.example.com/train:1.0"
MERGE = "application/merge-patch+json"


@dataclass
class Ground:
    """The emulator, a home, and the texts that machines were launched with."""

    cloud: Cloud
    environment: dict[str, str]
    texts: dict[str, str] = field(default_factory=dict)

    def new_run(self, **changes: Any) -> RunFolder:
        now_s = self.cloud.now()
        whole: dict[str, Any] = {
            "run_id": new_run_id(now_s),
            "stack": "sophia-infra/test",
            "endpoint": "emulator",
            "cluster": "trainer",
            "workload": "training",
            "nodes": 2,
            "min_nodes": 2,
            "max_usd": Decimal(100),
            "max_hours": 10,
            "choices": (Choice(A10, REGION, Decimal("1.29")),),
            "command": "train.py --epochs 3",
            "ssh_key": "key",
            "began_s": now_s,
            "bootstrap": "join",
            **changes,
        }
        spec = RunSpec(**whole)
        folder = RunFolder(runs_folder(open_home(environ=self.environment)) / spec.run_id)
        folder.make(spec)
        return folder

    def boot_text(self, name: str, instance_type: str, region: str) -> str:
        cluster = Cluster("sophia", None, (), "core")
        credentials = make_credentials("sophia", datetime.now(UTC))
        texts = JoinBootText(
            KubernetesConfig.model_validate({}),
            {None: cluster},
            {"sophia": credentials},
            {"sophia": "10.0.0.2"},
        )
        labels = {TRAINING_NODE_LABEL: "trainer", "sophia.internal/gpu": training_gpu_label("A10")}
        self.texts[name] = texts.text_with(name, "trainer", instance_type, region, labels)
        return self.texts[name]

    def attend(self, folder: RunFolder, access: JoiningAccess, **variables: str) -> Any:
        environment = {**self.environment, **variables}
        join = JoinMeans(self.boot_text, access)
        quiet: Callable[[str], None] = lambda _: None  # noqa: E731
        means = open_means(folder, environment=environment, say=quiet, with_watchdog=False, join=join)
        return attend(folder, means)

    def live(self) -> list[dict[str, Any]]:
        return [row for row in self.cloud.dump()["instances"] if row["ended_at_s"] is None]


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    monkeypatch.delenv("SOPHIA_PROJECT", raising=False)
    settings = CloudSettings(boot_ranges_s=((0, 30.0, 60.0),), ip_after_s=5.0)
    with EmulatorServer(Cloud(settings, ScaledClock(120.0))) as server:
        with server.cloud.lock:
            server.cloud.ssh_keys.add("key", "ssh-ed25519 x")
        environment = {
            **os.environ,
            "LAMBDA_API_URL": server.url,
            "LAMBDA_API_KEY": "any-key",
            "SOPHIA_HOME": str(tmp_path / "home"),
        }
        yield Ground(server.cloud, environment)


class JoiningAccess:
    """The access to the cluster, with what k3s and Kueue would do before each look."""

    def __init__(
        self, plane: Plane, ground: Ground, folder: RunFolder, namespace: str, fault: str = ""
    ) -> None:
        api = Connection(load_kubeconfig(str(plane.kubeconfig)), timeout_s=10.0)
        training = TrainingConfig(namespace=namespace)
        self.inner = KubernetesAccess(api, folder.spec(), lambda: A10, training, IMAGE)
        self._plane, self._ground, self._namespace, self._fault = plane, ground, namespace, fault
        self.pods: list[dict[str, Any]] = []

    def answers(self, node: Node) -> bool:
        name = self.inner.spec.node_name(node.number)
        labels = labels_of(self._ground.texts[name])
        spec = NodeSpec(name, labels=labels, capacity={"cpu": "30", "memory": "226Gi", "nvidia.com/gpu": "1"})
        self._plane.apply(f"/api/v1/nodes/{name}", build_node(spec, []))
        self._plane.apply(f"/api/v1/nodes/{name}/status", build_node_status(spec))
        return self.inner.answers(node)

    def start(self, job: JobStart, node: Node) -> None:
        self.inner.start(job, node)

    def look(self, job: JobStart, node: Node) -> JobLook:
        look = self.inner.look(job, node)
        self._let_in()
        found = self._plane.request("GET", f"/api/v1/namespaces/{self._namespace}/pods")["items"]
        self.pods = found or self.pods
        return look

    def cancel(self, job: JobStart, node: Node) -> None:
        self.inner.cancel(job, node)

    def forget(self, node: Node) -> None:
        self.inner.forget(node)

    def collect(self, job: JobStart, node: Node, source: str, target: Path) -> str:
        return self.inner.collect(job, node, source, target)

    def _let_in(self) -> None:
        path = f"/apis/batch/v1/namespaces/{self._namespace}/jobs"
        for job in self._plane.request("GET", path)["items"]:
            if job["spec"].get("suspend"):
                template = {"metadata": {"annotations": {"sophia.internal/simulate": self._fault}}}
                change = {"spec": {"suspend": False, **({"template": template} if self._fault else {})}}
                name = job["metadata"]["name"]
                self._plane.request("PATCH", f"{path}/{name}", change, content_type=MERGE)


def labels_of(text: str) -> dict[str, str]:
    """Those with which k3s would register the node."""
    for row in yaml.safe_load(text)["write_files"]:
        if row["path"] == "/etc/rancher/k3s/config.yaml":
            packed = row.get("encoding") == "gz+b64"
            content = gzip.decompress(base64.b64decode(row["content"])).decode() if packed else row["content"]
            return dict(label.split("=", 1) for label in yaml.safe_load(content)["node-label"])
    raise AssertionError("no configuration of k3s")


def nodes_of_run(plane: Plane) -> list[str]:
    rows = plane.request("GET", "/api/v1/nodes", labelSelector=TRAINING_NODE_LABEL)["items"]
    return [row["metadata"]["name"] for row in rows]


def test_machines_become_nodes_the_job_runs_on_them_and_nothing_is_left(
    plane: Plane, namespace: str, ground: Ground
) -> None:
    folder = ground.new_run(env=("WANDB_API_KEY",))
    access = JoiningAccess(plane, ground, folder, namespace)
    state = ground.attend(folder, access, WANDB_API_KEY="a-secret-of-the-run")
    assert (state.outcome, state.incarnation) == ("done", 1)
    assert ground.live() == []
    assert nodes_of_run(plane) == []
    launched = [row for row in ground.cloud.dump()["instances"] if "sophia-run" in row["tags"]]
    assert [row["user_data_bytes"] > 1000 for row in launched] == [True, True]
    [job] = plane.request("GET", f"/apis/batch/v1/namespaces/{namespace}/jobs")["items"]
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "trainer"
    assert job["status"]["succeeded"] == 2
    spec = folder.spec()
    assert {pod["spec"]["nodeName"] for pod in access.pods} == {spec.node_name(1), spec.node_name(2)}
    assert "a-secret-of-the-run" not in str(job)
    secrets = plane.request("GET", f"/api/v1/namespaces/{namespace}/secrets")["items"]
    [secret] = [row for row in secrets if row["metadata"]["name"] == job["metadata"]["name"]]
    assert base64.b64decode(secret["data"]["WANDB_API_KEY"]).decode() == "a-secret-of-the-run"
    assert secret["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
    record = (folder.path / "run.json").read_text() + (folder.path / "state.json").read_text()
    assert "a-secret-of-the-run" not in record


def test_a_job_that_fails_ends_the_run_and_leaves_its_last_words(
    plane: Plane, namespace: str, ground: Ground
) -> None:
    folder = ground.new_run()
    with pytest.raises(JobFailed, match="ended with code 1"):
        ground.attend(folder, JoiningAccess(plane, ground, folder, namespace, "crash"))
    assert ground.live() == []
    assert nodes_of_run(plane) == []
    said = [path.read_text() for path in folder.results.rglob("last-words.txt")]
    assert said
    assert '"code": ' in said[0]


def test_a_second_start_of_the_same_incarnation_makes_no_second_job_and_suspends_nothing(
    plane: Plane, namespace: str, ground: Ground
) -> None:
    folder = ground.new_run()
    job = JobStart(folder.run_id, 1, [Node(1, "a", "192.0.2.1"), Node(2, "b", "192.0.2.2")], 1, "train.py")
    first = JoiningAccess(plane, ground, folder, namespace)
    first.start(job, job.nodes[0])
    assert first.look(job, job.nodes[0]).words == "it waits in its queue"
    plane.wait_for(lambda: first.look(job, job.nodes[0]).words == "")
    again = JoiningAccess(plane, ground, folder, namespace)
    again.start(job, job.nodes[0])
    [made] = plane.request("GET", f"/apis/batch/v1/namespaces/{namespace}/jobs")["items"]
    assert made["spec"]["suspend"] is False
    first.cancel(job, job.nodes[0])
    plane.wait_for(lambda: not plane.request("GET", f"/apis/batch/v1/namespaces/{namespace}/jobs")["items"])
    assert first.inner.look(job, job.nodes[0]) == JobLook("ended", 255, "its Job was deleted")


def test_a_namespace_that_is_not_there_ends_the_run_and_its_machines(plane: Plane, ground: Ground) -> None:
    folder = ground.new_run()
    access = JoiningAccess(plane, ground, folder, "no-such-namespace")
    with pytest.raises(JobFailed, match="refuses the job"):
        ground.attend(folder, access)
    assert ground.live() == []
    assert nodes_of_run(plane) == []


def test_a_node_of_others_is_not_forgotten(plane: Plane, ground: Ground) -> None:
    folder = ground.new_run()
    name = folder.spec().node_name(1)
    spec = NodeSpec(name, labels={TRAINING_NODE_LABEL: "another"}, capacity={"cpu": "1", "memory": "1Gi"})
    plane.apply(f"/api/v1/nodes/{name}", build_node(spec, []))
    try:
        access = JoiningAccess(plane, ground, folder, "default")
        access.forget(Node(1, "a", ""))
        assert plane.request("GET", f"/api/v1/nodes/{name}")["metadata"]["name"] == name
    finally:
        plane.request("DELETE", f"/api/v1/nodes/{name}")
    with pytest.raises(RequestRefused):
        plane.request("GET", f"/api/v1/nodes/{name}")
    access.forget(Node(1, "a", ""))


def test_without_an_api_server_nothing_is_said_to_be_lost(ground: Ground) -> None:
    folder = ground.new_run()
    kubeconfig = {
        "clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1:9"}}],
        "users": [{"name": "a", "user": {"token": "x"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "current-context": "a",
    }
    api = Connection(load_kubeconfig(yaml.safe_dump(kubeconfig)), timeout_s=1.0, sleep=lambda _: None)
    access = KubernetesAccess(api, folder.spec(), lambda: A10, TrainingConfig(), IMAGE)
    job = JobStart(folder.run_id, 1, [Node(1, "a", "192.0.2.1")], 1, "train.py")
    assert not access.answers(job.nodes[0])
    access.start(job, job.nodes[0])
    assert access.look(job, job.nodes[0]).state == "running"
    access.cancel(job, job.nodes[0])
    access.forget(job.nodes[0])
