"""Fixtures of the plugin's tests: an engine, a stack of the test's own, and objects to put into it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.engine.locate import Engine
from tests.cluster.plane import Plane
from tests.cluster.plugin_project import PluginProject, make_plugin_project
from tests.engine.engine_fixtures import engine

__all__ = ["engine", "stack"]


@pytest.fixture
def stack(tmp_path: Path, engine: Engine, plane: Plane) -> Iterator[PluginProject]:
    """An empty stack; what it made is destroyed at the end."""
    made = make_plugin_project(tmp_path / "stack", engine, plane)
    yield made
    if made.resources():
        made.destroy()


def config_map(namespace: str, name: str = "settings", **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "data": data or {"colour": "green"}}


def deployment(namespace: str, name: str = "web", **further: Any) -> dict[str, Any]:
    """Two replicas of one container; `further` are fields of the spec, `container` of the container."""
    container = {"name": "main", "image": "registry.example/web:1", **further.pop("container", {})}
    pod = {**further.pop("pod", {}), "containers": [container]}
    labels = {"app": name}
    spec: dict[str, Any] = {
        "replicas": 2,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
        **further,
    }
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
