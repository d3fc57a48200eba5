"""The commands that ask no cluster, as a user runs them: plans, promotion, wrong words."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.model.stack_config import load_stack_config
from tests.command_server import Ended, run_command

CHECKOUT = Path(__file__).resolve().parents[3]
DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("Pulumi.yaml", "workloads.yaml", *(f"Pulumi.{one}.yaml" for one in ("staging", "canary"))):
        shutil.copy(CHECKOUT / name, tmp_path)
    shutil.copy(CHECKOUT / "Pulumi.local.yaml", tmp_path)
    return tmp_path


def sophia(project: Path, *arguments: str) -> Ended:
    environment = {**os.environ, "SOPHIA_PROJECT": str(project), "SOPHIA_HOME": str(project / "home")}
    done = run_command(arguments, environment, project)
    assert "Traceback" not in done.err, done.err
    return done


def prove(project: Path, *, green: bool = True) -> Path:
    """Digests in the source's file, and what `sophia validate --json` would have said of it."""
    file = project / "Pulumi.staging.yaml"
    document = yaml.safe_load(file.read_text("utf-8"))
    kube = load_stack_config(file).kubernetes
    assert kube is not None
    images = [str(row.image) for row in kube.enabled_workloads().values()]
    images += [str(row.image) for row in kube.enabled_databases().values()]
    document["config"]["sophia:kubernetes"]["images"]["digests"] = dict.fromkeys(images, DIGEST)
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    gate: dict[str, Any] = {
        "stack": "staging",
        "gate": 1,
        "green": green,
        "failed": [] if green else ["1.3b"],
    }
    gate["taken_at"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    path = project / "gate.json"
    path.write_text(json.dumps(gate), encoding="utf-8")
    return path


def test_promote_shows_the_difference_writes_it_when_told_and_then_has_nothing_left(project: Path) -> None:
    target = project / "Pulumi.canary.yaml"
    before = target.read_text("utf-8")
    promote = ("promote", "--from", "staging", "--to", "canary", "--gate", str(prove(project)))
    shown = sophia(project, *promote)
    assert shown.code == 0, shown.err
    assert f'+        "sophia/backend:1.0.0": {DIGEST}' in shown.out
    assert target.read_text("utf-8") == before
    written = sophia(project, *promote, "--write", "--json")
    assert json.loads(written.out)["written"] is True
    kube = load_stack_config(target).kubernetes
    assert kube is not None
    assert kube.images.digests["sophia/backend:1.0.0"] == DIGEST
    assert before.splitlines()[0] in target.read_text("utf-8")
    again = sophia(project, *promote, "--write")
    assert (again.code, again.out) == (0, "")
    assert '"action": "promote"' in (project / "home/audit/stacks/canary.jsonl").read_text("utf-8")


def test_promote_refuses_a_red_gate_a_missing_one_and_a_stage_left_out(project: Path) -> None:
    before = (project / "Pulumi.canary.yaml").read_text("utf-8")
    gate = str(prove(project, green=False))
    red = sophia(project, "promote", "--from", "staging", "--to", "canary", "--gate", gate, "--write")
    assert red.code == ExitCode.FINDINGS
    assert "red: 1.3b" in red.err
    missing = sophia(project, "promote", "--from", "staging", "--to", "canary", "--write")
    assert missing.code == ExitCode.FINDINGS
    skipped = sophia(project, "promote", "--from", "staging", "--to", "production", "--gate", gate)
    assert skipped.code == ExitCode.USAGE
    assert (project / "Pulumi.canary.yaml").read_text("utf-8") == before


def test_plans_are_printed_for_people_and_machines_and_send_nothing(project: Path) -> None:
    image = ("--image", "sophia/backend:1.1.0")
    plan = json.loads(sophia(project, "canary", "plan", "sophia-backend", *image, "--json").out)
    assert plan["rollout"]["weights"] == [5, 25, 50, 100]
    assert plan["usd_per_hour"] == "0.00"
    dry = sophia(project, "canary", "run", "sophia-backend", *image, "--dry-run")
    assert "Calls of api.sophia.example.com move by 5 %, 25 %, 50 %, 100 %" in dry.out
    bodies = list(
        yaml.safe_load_all(sophia(project, "canary", "plan", "sophia-backend", *image, "--manifests").out)
    )
    assert [bodies[0]["kind"], bodies[-1]["kind"]] == ["HelmChartConfig", "HTTPRoute"]
    order = json.loads(sophia(project, "cutover", "plan", "--json").out)["services"]
    assert [one["kind"] for one in order[:2]] == ["store", "store"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("canary", "plan", "nobody", "--image", "a/b:1"), "no enabled workload"),
        (("canary", "run", "sophia-backend", "--image", "a/b:1", "--yes"), "Nothing says how the cluster"),
        (("cutover", "run", "backend", "--yes"), "does not say where Swarm is"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_what_to_do(
    project: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = sophia(project, *arguments)
    assert done.code == ExitCode.USAGE
    assert said in " ".join(done.err.split())
    assert "Next:" in done.err


def test_tracked_stages_are_valid_and_real_ones_launch_nothing() -> None:
    for name in ("development", "staging", "canary"):
        config = load_stack_config(CHECKOUT / f"Pulumi.{name}.yaml")
        if config.endpoint == "lambda":
            assert all(one.is_adopted and one.is_protected for one in config.fleet.values())
            assert config.kubernetes is not None
            assert config.kubernetes.kubeconfig_env != "KUBECONFIG"
        else:
            assert name == "development"
