"""Forecaster and node scaler of a stack, registered whole: what they read, and what of it is secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.components.cluster_files import MANIFESTS_FOLDER_VARIABLE
from tests.program import test_program_kubernetes as kubernetes
from tests.program.program_run import Run, run_program, stack_config

esc_variables = kubernetes.esc_variables

POOL = {"type": "1xA10", "regions": ["us-west-1"], "max": 2, "demand": [{"source": "pending_pods"}]}
ON: dict[str, Any] = {"enabled": True}
CHECKSUM = "sophia.internal/secret-checksum"
FLEET = ("sophia-ai-core", "sophia-mcp-orchestrator", "sophia-data-pipeline", "sophia-production")

RunScaling = Callable[..., Run]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, esc_variables: dict[str, str]) -> RunScaling:
    """Run the program on stack `local` with a pool, and with changes to its Kubernetes section."""
    for name, value in {**esc_variables, MANIFESTS_FOLDER_VARIABLE: str(tmp_path / "manifests")}.items():
        monkeypatch.setenv(name, value)

    def start(**changes: Any) -> Run:
        config = stack_config("local")
        section = {**config["sophia:kubernetes"], **changes}
        further = {"sophia:scaler": {"pools": {"burst": POOL}}, "sophia:phase": 2}
        made = run_program(monkeypatch, {**config, **further, "sophia:kubernetes": section})
        assert made.errors == []
        return made

    return start


def test_neither_is_registered_unless_it_is_asked_for(run: RunScaling) -> None:
    assert "Scaling" not in run().kinds()


def test_the_forecaster_alone_holds_no_key_and_no_token(run: RunScaling) -> None:
    made = run(forecaster=ON)
    assert set(made.of_kind("Scaling")) == {"sophia-scaling"}
    assert made.resources["sophia-forecaster-deployment"].parent == "sophia-scaling"
    assert "sophia-node-scaler-deployment" not in made.resources
    assert not [row for row in made.of_kind("ClusterRole").values() if row.parent == "sophia-scaling"]


def test_the_node_scaler_reads_its_part_of_the_stack_and_nothing_of_it_is_secret(run: RunScaling) -> None:
    made = run(scaler=ON)
    assert made.resources["sophia-node-scaler-deployment"].parent == "sophia-scaling"
    config = json.loads(made.resources["sophia-node-scaler-config"].inputs["data"]["scaler.json"])
    assert (config["stack"].rpartition("/")[2], config["apply"]) == ("local", False)
    assert config["ssh_key"]
    assert set(FLEET) < set(config["fleet"])
    own, same_key = (
        made.resources[f"{name}-deployment"].inputs["spec"]["template"]["metadata"]["annotations"][CHECKSUM]
        for name in ("sophia-node-scaler", "lambda-labs-mcp")
    )
    assert own == same_key, "both read lambda.api_key and nothing else"
    joins = made.outputs["scaler_join"]["sophia"]
    secret = made.resources["sophia-node-scaler-join"].inputs["stringData"]
    assert kubernetes.is_secret(secret)
    assert json.loads(secret["value"]["join.json"]) == joins
    holders = [
        name
        for name, row in made.resources.items()
        if row.type.startswith("kubernetes:") and joins["agent_token"] in json.dumps(row.inputs, default=str)
    ]
    assert holders == ["sophia-node-scaler-join"]
