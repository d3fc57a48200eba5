"""The stand-in charts with the real Helm on a real API server: installed, upgraded, gone without a trace.

Helm starts anew for each step (tens of ms) and the server needs seconds to establish definitions; what they
buy is that a release in the local stack can fail for no reason of the stand-in's own.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sophia_infra.charts import CHARTS, OFFLINE_SUFFIX, custom_resource_definitions, write_offline_chart
from tests.cluster.leftovers import leftovers, list_everything, settled_leftovers
from tests.cluster.plane import Plane
from tests.unit.charts.custom_objects import cluster_policy

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
VALUES: dict[str, Any] = {
    "driver": {"enabled": False, "createSecret": True},
    "toolkit": {
        "env": [
            {"name": "CONTAINERD_CONFIG", "value": "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"},
            {"name": "API_TOKEN", "value": "hunter2"},
        ]
    },
    "adminPassword": "hunter2",
    "auth": {"user": "hunter2"},
    "list": [1, None, {"privateKey": "hunter2", "plain": "text"}],
    "address": "https://user:hunter2@host/path",
    "key": "pul-" + 40 * "a",
}
SHOWN: dict[str, Any] = {
    "driver": {"enabled": False, "createSecret": True},
    "toolkit": {
        "env": [
            {"name": "CONTAINERD_CONFIG", "value": "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"},
            {"name": "API_TOKEN", "value": "(hidden)"},
        ]
    },
    "adminPassword": "(hidden)",
    "auth": "(hidden)",
    "list": [1, None, {"privateKey": "(hidden)", "plain": "text"}],
    "address": "(hidden)",
    "key": "(hidden)",
}

Helm = Callable[..., str]


@pytest.fixture
def helm(plane: Plane, tmp_path: Path) -> Helm:
    """Runs helm against the cluster and returns what it printed; an AssertionError when it fails."""
    binary = str(plane.tools.directory / "helm")
    folders = {f"HELM_{kind}_HOME": str(tmp_path / kind) for kind in ("CACHE", "CONFIG", "DATA")}
    environment = {"PATH": os.defpath, "HOME": str(tmp_path), "KUBECONFIG": str(plane.kubeconfig), **folders}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [binary, *arguments], capture_output=True, text=True, env=environment, check=False, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def values_file(folder: Path, values: dict[str, Any]) -> str:
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("name", CHARTS)
def test_helm_finds_nothing_to_complain_about(helm: Helm, tmp_path: Path, name: str) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(write_offline_chart(name, tmp_path)))


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_renders_its_definitions_and_one_record(helm: Helm, tmp_path: Path, name: str) -> None:
    rendered = helm("template", "release", str(write_offline_chart(name, tmp_path)), "--namespace", "here")
    kinds = [document["kind"] for document in yaml.safe_load_all(rendered) if document]
    assert kinds.count("CustomResourceDefinition") == len(custom_resource_definitions(chart=name))
    assert sorted(set(kinds) - {"CustomResourceDefinition"}) == ["ConfigMap"]


def test_the_record_shows_the_values_and_no_secret(helm: Helm, tmp_path: Path) -> None:
    chart = write_offline_chart("opencost", tmp_path)
    rendered = helm("template", "release", str(chart), "-n", "here", "-f", values_file(tmp_path, VALUES))
    record = yaml.safe_load(rendered)
    assert record["metadata"]["name"] == f"release{OFFLINE_SUFFIX}"
    assert record["metadata"]["namespace"] == "here"
    assert yaml.safe_load(record["data"]["values"]) == SHOWN
    assert "hunter2" not in rendered


def test_install_upgrade_and_uninstall_leave_nothing(
    helm: Helm, plane: Plane, namespace: str, tmp_path: Path
) -> None:
    chart = str(write_offline_chart("gpu-operator", tmp_path))
    release = ["gpu", chart, "--namespace", namespace, "--wait"]
    record = f"/api/v1/namespaces/{namespace}/configmaps/gpu{OFFLINE_SUFFIX}"
    policies = "/apis/nvidia.com/v1/clusterpolicies"
    before = list_everything(plane)

    helm("install", *release, "-f", values_file(tmp_path, VALUES))
    assert yaml.safe_load(plane.request("GET", record)["data"]["values"]) == SHOWN
    for definition in custom_resource_definitions(chart="gpu-operator"):
        found = plane.request("GET", f"{DEFINITIONS}/{definition['metadata']['name']}")
        conditions = {entry["type"]: entry["status"] for entry in found["status"]["conditions"]}
        assert conditions["Established"] == "True"
    plane.request("POST", policies, {**cluster_policy(), "metadata": {"name": "of-a-user"}})

    helm("upgrade", *release, "-f", values_file(tmp_path, {"driver": {"enabled": True}}))
    values = plane.request("GET", record)["data"]["values"]
    assert yaml.safe_load(values) == {"driver": {"enabled": True}}
    assert [policy["metadata"]["name"] for policy in plane.request("GET", policies)["items"]] == ["of-a-user"]

    assert leftovers(before, list_everything(plane))
    helm("uninstall", "gpu", "--namespace", namespace, "--wait")
    assert settled_leftovers(plane, before) == set()


def test_releases_of_several_charts_stand_side_by_side(
    helm: Helm, plane: Plane, namespace: str, tmp_path: Path
) -> None:
    before = list_everything(plane)
    charts = ("external-secrets", "kueue", "opencost")
    for name in charts:
        helm("install", name, str(write_offline_chart(name, tmp_path)), "--namespace", namespace)
    for name in charts:
        helm("uninstall", name, "--namespace", namespace)
    assert settled_leftovers(plane, before) == set()
