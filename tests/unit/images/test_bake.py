"""docker-bake.hcl builds what workloads.yaml runs, for both architectures, from the lock alone."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sophia_infra.exporter import LISTEN
from sophia_infra.images import PLATFORMS, ImageLock, Unlocked, read_budgets, read_lock, write_lock
from sophia_infra.manifests.scaling.site import PORT
from sophia_infra.model.kubernetes import ForecasterConfig, NodeScalerConfig
from sophia_infra.model.kubernetes.monitoring import ExporterConfig
from tests.unit.images.bake_file import expand, find_buildx, groups
from tests.unit.images.recipe_rules import TARGETS

ROOT = Path(__file__).parents[3]
BAKE = ROOT / "docker-bake.hcl"
NOT_PYTHON = {"sophia-frontend"}
EXPORTER = "sophia-exporter"  # no row of the table: monitoring brings it
SCALER = "sophia-scaler"  # nor this one: forecaster and node scaler of the cluster
OF_THIS_REPOSITORY = {"inference-gateway": "gateway", EXPORTER: "exporter", SCALER: "scaler"}


@pytest.fixture
def lock() -> ImageLock:
    """The lock as it is once a registry was asked; the digests are made up, one for each image."""
    images = read_lock(ROOT / "docker" / "images.lock.json").images
    digests = {name: f"sha256:{number:064x}" for number, name in enumerate(images, start=1)}
    return ImageLock(
        {
            name: replace(image, digest=digests[name], platforms=dict.fromkeys(PLATFORMS, digests[name]))
            for name, image in images.items()
        }
    )


@pytest.fixture
def targets(lock: ImageLock) -> dict[str, dict[str, Any]]:
    return expand(BAKE, lock)


def _ours() -> dict[str, dict[str, Any]]:
    rows = yaml.safe_load((ROOT / "workloads.yaml").read_text("utf-8"))["workloads"]
    return {name: row for name, row in rows.items() if row["image"].startswith("sophia/")}


def test_every_image_of_ours_is_built(targets: dict[str, dict[str, Any]]) -> None:
    assert set(targets) == set(_ours()) - NOT_PYTHON | {EXPORTER, SCALER}
    servers = {name for name in targets if name.startswith("mcp-") or name.endswith("-mcp")}
    assert len(servers) == 10
    assert {"sophia-backend", "inference-gateway"} < set(targets)


def test_a_target_has_the_image_the_port_and_the_variant_of_its_workload(
    targets: dict[str, dict[str, Any]],
) -> None:
    for name, row in _ours().items():
        if name in NOT_PYTHON:
            continue
        target = targets[name]
        assert target["tags"] == [row["image"]]
        assert target["args"]["PORT"] == str(row["ports"]["http"])
        on_gpu = row.get("gpu", {"count": 0}).get("count", 1) > 0
        assert target["target"] == ("gpu-runtime" if on_gpu else "production")
        assert row.get("user_id", 10001) == 10001


def test_every_target_is_for_both_architectures(targets: dict[str, dict[str, Any]]) -> None:
    assert {tuple(target["platforms"]) for target in targets.values()} == {PLATFORMS}


def test_every_base_is_the_locks(targets: dict[str, dict[str, Any]], lock: ImageLock) -> None:
    for target in targets.values():
        assert target["args"]["PYTHON_IMAGE"] == lock.reference("python")
        assert target["args"]["RUNTIME_IMAGE"] == lock.reference("runtime")
        assert target["args"]["CUDA_IMAGE"] == lock.reference("cuda")


def test_the_exporter_is_the_image_that_monitoring_runs(targets: dict[str, dict[str, Any]]) -> None:
    target = targets[EXPORTER]
    assert target["tags"] == [ExporterConfig().image]
    assert target["args"]["PORT"] == str(LISTEN[1])
    assert target["target"] == "production"


def test_the_scaler_is_the_image_that_forecaster_and_node_scaler_run(
    targets: dict[str, dict[str, Any]],
) -> None:
    target = targets[SCALER]
    assert target["tags"] == [ForecasterConfig().image] == [NodeScalerConfig().image]
    assert target["args"]["PORT"] == str(PORT)
    assert target["target"] == "production"


def test_only_gateway_exporter_and_scaler_are_of_this_repository(targets: dict[str, dict[str, Any]]) -> None:
    for name, kind in OF_THIS_REPOSITORY.items():
        assert targets[name]["args"]["KIND"] == kind
        assert "contexts" not in targets[name]
    others = {name: target for name, target in targets.items() if name not in OF_THIS_REPOSITORY}
    assert {name: target["contexts"] for name, target in others.items()} == {
        name: {"service": f"services/{name}"} for name in others
    }
    assert all(target["args"]["MODULE"] == name.replace("-", "_") for name, target in others.items())


def test_an_unlocked_image_stops_the_build() -> None:
    lock = read_lock(ROOT / "docker" / "images.lock.json")
    if not lock.unlocked():
        lock = ImageLock({name: replace(image, digest=None) for name, image in lock.images.items()})
    with pytest.raises(Unlocked):
        expand(BAKE, lock)


def test_every_target_has_a_budget(targets: dict[str, dict[str, Any]]) -> None:
    budgets = read_budgets(ROOT / "docker" / "budgets.json")
    stages = json.loads((ROOT / "docker" / "budgets.json").read_text("utf-8"))
    assert set(budgets) == set(targets)
    assert set(stages["stages"]) == set(TARGETS)
    assert all(stages["targets"][name] == target["target"] for name, target in targets.items())
    # The plan: 0.8 to 1.2 GB and 6 to 8 s.
    assert {(budget.unpacked_mb, budget.warm_build_s) for budget in budgets.values()} == {(800, 8), (1200, 8)}


def test_the_group_all_is_all(targets: dict[str, dict[str, Any]]) -> None:
    assert groups(BAKE)["all"] == [*OF_THIS_REPOSITORY, "services", "gpu-services"]
    assert groups(BAKE)["default"] == list(OF_THIS_REPOSITORY)


def test_buildx_reads_it_the_same_way(
    lock: ImageLock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Says nothing where buildx is not installed: the tests above do not lean on it."""
    buildx = find_buildx()
    if buildx is None:
        return
    monkeypatch.setenv("HOME", str(tmp_path))
    locked = tmp_path / "images.lock.json"
    write_lock(locked, lock)

    def bake(file: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [*buildx, "bake", "-f", str(BAKE), "-f", str(file), "--print", "all"]
        return subprocess.run(
            command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )

    printed = bake(locked, VERSION="2.0.0", REGISTRY="hub/", SERVICES="elsewhere")
    assert printed.returncode == 0, printed.stderr
    ours = expand(BAKE, lock, VERSION="2.0.0", REGISTRY="hub/", SERVICES="elsewhere")
    assert json.loads(printed.stdout)["target"] == ours
    open_lock = tmp_path / "open.lock.json"
    write_lock(
        open_lock, ImageLock({n: replace(i, digest=None, platforms={}) for n, i in lock.images.items()})
    )
    assert bake(open_lock).returncode != 0
    assert bake(open_lock, ALLOW_UNLOCKED="true").returncode == 0
