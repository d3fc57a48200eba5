"""Training in the program: terms and queues, never a machine; a 1-Click Cluster as it is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.components.cluster_files import MANIFESTS_FOLDER_VARIABLE
from tests.program.program_run import Run, run_program, small_config

CLUSTER: dict[str, Any] = {
    "type": "8xH100",
    "regions": ["us-east-3"],
    "min_nodes": 1,
    "max_nodes": 8,
    "max_usd": "$6,500",
    "max_hours": 24,
    "workload": "large-model-training",
    "command": "train.py",
}
JOIN = {**CLUSTER, "bootstrap": "join", "image": "registry.example.com/train:1.0"}
A10 = {"type": "1xA10", "region": "us-east-3", "purpose": "development", "always_on": True}
CLUSTER_ID = "0920582c7ff041399e34823a0be62549"
RunTraining = Callable[..., Run]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RunTraining:
    monkeypatch.setenv(MANIFESTS_FOLDER_VARIABLE, str(tmp_path / "manifests"))

    def start(training: dict[str, Any], **more: Any) -> Run:
        return run_program(monkeypatch, small_config({"core": A10}, training=training, **more))

    return start


def test_a_cluster_that_nothing_trains_on_is_its_terms_and_no_machine(run: RunTraining) -> None:
    made = run({"trainer": {**CLUSTER, "checkpoints": "runs"}}, filesystems={"runs": {"region": "us-east-3"}})
    assert (made.exit_code, made.errors) == (0, [])
    assert list(made.of_kind("Instance")) == ["core"]
    assert list(made.of_kind("TrainingCluster")) == ["trainer"]
    terms = made.outputs["training"]["trainer"]
    assert terms["usd_per_hour"]["8"] == "255.36"
    assert (terms["workload"], terms["max_usd"], terms["max_hours"]) == ("large-model-training", "6500", 24)
    assert (terms["checkpoints"]["name"], terms["queue"]) == ("runs", None)


def test_without_training_nothing_is_said_of_it(run: RunTraining) -> None:
    assert "training" not in run({}).outputs


def test_a_cluster_that_joins_has_a_queue_of_its_own_behind_kueue(run: RunTraining) -> None:
    made = run({"trainer": JOIN}, kubernetes={"training": {}}, phase=2)
    assert made.errors == []
    assert list(made.of_kind("Instance")) == ["core"]
    mine = {name: row for name, row in made.resources.items() if row.parent == "trainer"}
    assert {row.kind for row in mine.values()} == {"ResourceFlavor", "ClusterQueue", "LocalQueue"}
    [queue] = [row for row in mine.values() if row.kind == "ClusterQueue"]
    [group] = queue.inputs["spec"]["resourceGroups"]
    [flavor] = group["flavors"]
    quotas = {row["name"]: row["nominalQuota"] for row in flavor["resources"]}
    assert quotas["nvidia.com/gpu"] == "64"
    [labels] = [row.inputs["spec"]["nodeLabels"] for row in mine.values() if row.kind == "ResourceFlavor"]
    assert labels == {"sophia.internal/training": "trainer", "sophia.internal/gpu": "h100-training"}
    release = next(name for name, row in made.resources.items() if name.endswith("-kueue"))
    assert all(release in row.depends_on for row in mine.values())
    assert made.outputs["training"]["trainer"]["queue"] == "sophia-training/trainer"


def test_what_machines_need_to_join_is_exported_for_runs_and_only_for_those(run: RunTraining) -> None:
    assert "scaler_join" in run({"trainer": JOIN}, kubernetes={"training": {}}, phase=2).outputs
    assert "scaler_join" not in run({"trainer": CLUSTER}, kubernetes={"training": {}}, phase=2).outputs


def test_a_one_click_cluster_is_read_and_nothing_of_it_is_made(run: RunTraining) -> None:
    made = run({"reserved": {"cluster_id": CLUSTER_ID}})
    assert list(made.of_kind("Instance")) == ["core"]
    found = made.named("OneClickCluster", "reserved")
    assert {name: value for name, value in found.inputs.items() if value is not None} == {
        "cluster_id": CLUSTER_ID
    }
    assert made.outputs["training"]["reserved"] == {
        "cluster_id": CLUSTER_ID,
        "machines": {"node-1": {}},
        "gpus": 8,
        "list_usd_per_hour": "31.92",
    }


def test_a_queue_that_is_not_there_is_refused_before_anything_is_made(run: RunTraining) -> None:
    made = run({"trainer": JOIN}, kubernetes={}, phase=2)
    assert made.exit_code == 1
    assert made.resources == {}
    assert "training.trainer.bootstrap" in made.errors[0]
