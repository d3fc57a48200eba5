"""Stack `local`, phase 2, by the real command into a real API server, for tests that look at it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sophia_infra.control_plane import ensure_control_plane, find_kube_tools
from sophia_infra.control_plane.api_client import ApiClient
from sophia_infra.control_plane.lifecycle import stop_control_plane
from sophia_infra.control_plane.nodes import node_specs
from sophia_infra.model.kubernetes import place
from sophia_infra.model.stack_config import StackConfig, load_stack_config
from tests.cluster.leftovers import Entry, list_everything
from tests.cluster.plane import CHECKOUT, Plane, make_home, say_that_it_builds

CLUSTER = "sophia"
NAMESPACE = "sophia-ai-prod"
TIMEOUT_S = 300.0
SPEED = 6000


@dataclass(frozen=True)
class Finished:
    """How one command ended; `said` has its white space made equal."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return " ".join(f"{self.out} {self.err}".split())

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class WholeStack:
    """The stack, its cluster, and what the cluster held before the stack came."""

    plane: Plane
    config: StackConfig
    project: Path
    before: set[Entry]

    def sophia(self, *arguments: str, **environment: str) -> Finished:
        """`sophia ARGUMENTS` in a process of its own, ended by itself."""
        done = subprocess.run(
            [sys.executable, "-m", "sophia_infra.cli", *arguments],
            env={**os.environ, "SOPHIA_HOME": str(self.plane.home.root), **self._project, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert "Traceback" not in done.stderr + done.stdout, done.stderr
        return Finished(done.returncode, done.stdout, done.stderr)

    @property
    def _project(self) -> dict[str, str]:
        return {"SOPHIA_PROJECT": str(self.project)}

    def pods(self, **labels: str) -> list[dict[str, Any]]:
        """Pods of the services, those that end left out."""
        query = (
            {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())} if labels else {}
        )
        items = self.plane.request("GET", "/api/v1/pods", **query)["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]

    def pods_of(self, name: str) -> list[dict[str, Any]]:
        """Pods of one service."""
        return self.pods(**{"app.kubernetes.io/name": name})

    def node_labels(self) -> dict[str, dict[str, str]]:
        """Name of each node -> its labels."""
        return {
            node["metadata"]["name"]: node["metadata"]["labels"]
            for node in self.plane.request("GET", "/api/v1/nodes")["items"]
        }


@contextmanager
def whole_stack(root: Path) -> Iterator[WholeStack]:
    """A project of its own in `root` with the tracked files of stack `local`; nothing is up yet."""
    project = root / "project"
    project.mkdir(parents=True)
    for name in ("__main__.py", "workloads.yaml"):
        shutil.copy(CHECKOUT / name, project)
    shutil.copytree(CHECKOUT / "infrastructure", project / "infrastructure")
    program = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text(encoding="utf-8"))
    program["runtime"]["options"]["virtualenv"] = sys.prefix
    (project / "Pulumi.yaml").write_text(yaml.safe_dump(program), encoding="utf-8")
    tracked = (CHECKOUT / "Pulumi.local.yaml").read_text(encoding="utf-8")
    text = tracked.replace("{speed: 60}", f"{{speed: {SPEED}}}")
    assert text != tracked, "the emulator's speed stands elsewhere in the stack file"
    (project / "Pulumi.local.yaml").write_text(text, encoding="utf-8")
    config = load_stack_config(project / "Pulumi.local.yaml")
    home = make_home(root / "home")
    tools = find_kube_tools(home, progress=say_that_it_builds)
    nodes = node_specs(place(config).clusters[CLUSTER].nodes)
    stack: WholeStack | None = None
    try:
        running = ensure_control_plane(home, tools, nodes, CLUSTER)
        with ApiClient(running.kubeconfig) as client:
            plane = Plane(home, tools, CLUSTER, running.kubeconfig, running.server, client)
            stack = WholeStack(plane, config, project, list_everything(plane))
            yield stack
    finally:
        if stack is not None:
            stack.sophia("down", "--yes")
        stop_control_plane(home, CLUSTER, wipe=True)
