"""helm.v3.Release by the real helm on the real API server."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.plane import Plane
from tests.cluster.plugin_fixtures import engine, stack
from tests.cluster.plugin_project import PluginProject, row

__all__ = ["engine", "stack"]

pytestmark = pytest.mark.engine


def write_chart(folder: Path, version: str = "1.2.3", **files: str) -> Path:
    chart = {"apiVersion": "v2", "name": "shop", "version": version, "appVersion": "9"}
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    (folder / "Chart.yaml").write_text(yaml.safe_dump(chart))
    (folder / "values.yaml").write_text("colour: green\n")
    template = """\
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: "{{ .Release.Name }}"}
        data: {colour: "{{ .Values.colour }}"}
        """
    (folder / "templates" / "settings.yaml").write_text(textwrap.dedent(template))
    for name, text in files.items():
        (folder / "templates" / f"{name}.yaml").write_text(textwrap.dedent(text))
    return folder


def release(chart: Path, namespace: str, **further: Any) -> dict[str, Any]:
    return {"name": "shop", "chart": str(chart), "version": "1.2.3", "namespace": namespace, **further}


def test_a_release_is_installed_upgraded_and_removed(
    stack: PluginProject, plane: Plane, namespace: str, tmp_path: Path
) -> None:
    chart = write_chart(tmp_path / "chart")
    path = f"/api/v1/namespaces/{namespace}/configmaps/shop"
    stack.write(
        row(
            "helm.sh/v3:Release",
            "shop",
            release(chart, namespace, values={"colour": {"$secret": "ultramarine"}}),
        ),
        outputs={"revision": ["shop", "status", "revision"], "names": ["shop", "resourceNames"]},
    )
    assert [step.op for step in stack.preview()] == ["create"]
    stack.up()
    assert plane.request("GET", path)["data"] == {"colour": "ultramarine"}
    assert stack.outputs() == {"revision": 1, "names": {"ConfigMap/v1": ["shop"]}}
    assert "ultramarine" not in str(stack.resources())
    assert stack.up(expect_no_changes=True)
    assert stack.run("refresh").changes["same"] == 3

    stack.write(row("helm.sh/v3:Release", "shop", release(chart, namespace, values={"colour": "red"})))
    (step,) = stack.preview()
    assert (step.op, dict(step.detailed_diff)) == ("update", {"values.colour": "update"})
    stack.up()
    assert plane.request("GET", path)["data"] == {"colour": "red"}
    stack.destroy()
    assert "shop" not in plane.kubectl("get", "configmaps", "-n", namespace, "--output=name")


def test_a_failed_release_is_recorded_and_finished_by_the_next_run(
    stack: PluginProject, plane: Plane, namespace: str, tmp_path: Path
) -> None:
    bad = """\
        apiVersion: v1
        kind: Pod
        metadata: {name: never}
        spec:
          nodeSelector: {none: such}
          containers: [{name: main, image: registry.example/x:1}]
        """
    chart = write_chart(tmp_path / "chart", bad=bad)
    stack.write(row("helm.sh/v3:Release", "shop", release(chart, namespace, timeout=3)))
    assert "helm install:" in stack.refused()
    assert stack.resources()["shop"]["initErrors"]
    (chart / "templates" / "bad.yaml").unlink()
    stack.up()
    assert plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/shop")["data"] == {
        "colour": "green"
    }


def test_a_chart_that_is_not_the_pinned_one_is_refused(
    stack: PluginProject, namespace: str, tmp_path: Path
) -> None:
    chart = write_chart(tmp_path / "chart", version="1.2.4")
    stack.write(row("helm.sh/v3:Release", "shop", release(chart, namespace)))
    assert "has version 1.2.4, not 1.2.3" in stack.refused("preview")
    stack.write(row("helm.sh/v3:Release", "shop", release(tmp_path / "nowhere", namespace)))
    assert "there is no chart" in stack.refused("preview")
    stack.write(
        row("helm.sh/v3:Release", "shop", release(chart, namespace)),
        provider={"render_yaml_to_directory": str(tmp_path / "manifests")},
    )
    assert "cannot be rendered to a directory" in stack.refused("preview")
