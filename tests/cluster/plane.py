"""One real control plane for the tests of a worker: the five machines of stack `local`, simulated by kwok."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sophia_infra.control_plane import KubeTools, NodeSpec, ensure_control_plane, find_kube_tools
from sophia_infra.control_plane.api_client import APPLY, JSON, ApiClient
from sophia_infra.control_plane.lifecycle import stop_control_plane
from sophia_infra.control_plane.nodes import node_specs
from sophia_infra.engine.build import BuildProgress
from sophia_infra.engine.home import Home, open_home
from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.kubernetes import Node

CHECKOUT = Path(__file__).resolve().parents[2]

WAIT_S = 90.0
"""The longest wait for something that takes a second on an idle machine."""


def _machine(name: str, instance_type: str, region: str, *, shares: int = 1) -> Node:
    row = CATALOGUE[instance_type]
    return Node(
        name=name,
        machine=name,
        instance_type=instance_type,
        gpu_model=row.gpu_model,
        gpu_count=row.gpu_count,
        places=row.gpu_count * shares,
        architecture=row.architecture,
        region=region,
        cluster="sophia",
        roles=(),
        is_server=False,
        vcpus=row.vcpus,
        memory_gib=row.memory_gib,
        labels={
            "sophia.internal/gpu": str(row.gpu_model).lower(),
            "sophia.internal/instance-type": instance_type,
            "sophia.internal/region": region,
            "sophia.internal/instance": name,
        },
    )


MACHINES = (
    _machine("sophia-ai-core", "gpu_1x_gh200", "us-east-3"),
    _machine("sophia-mcp-orchestrator", "gpu_1x_a6000", "us-south-1", shares=2),
    _machine("sophia-data-pipeline", "gpu_1x_a100", "us-south-1"),
    _machine("sophia-production", "gpu_1x_rtx6000", "us-south-1"),
    _machine("sophia-development", "gpu_1x_a10", "us-west-1"),
)


@dataclass
class Plane:
    """A running control plane. `request` is the administrator's, `kubectl` the real one."""

    home: Home
    tools: KubeTools
    name: str
    kubeconfig: Path
    server: str
    client: ApiClient = field(repr=False)
    # The client is not for several threads, and servers that tests start ask through it from theirs.
    _alone: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def reconnect(self) -> None:
        """Open a new connection, after a start that may have changed the address."""
        self.client.close()
        self.client = ApiClient(self.kubeconfig)
        self.server = self.client.server

    def request(
        self, method: str, path: str, body: Any = None, *, content_type: str = JSON, **query: str
    ) -> Any:
        """The answer as plain data; a refusal is `RequestRefused` with the server's words."""
        with self._alone:
            return self.client.request(method, path, body, content_type=content_type, **query)

    def apply(self, path: str, body: Any, manager: str = "test") -> Any:
        """Server-side apply."""
        return self.request("PATCH", path, body, content_type=APPLY, fieldManager=manager, force="true")

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run the real kubectl; its stdout."""
        answer = subprocess.run(
            [str(self.tools.directory / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if check and answer.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {answer.stderr}")
        return answer.stdout if answer.returncode == 0 else answer.stderr

    def wait_for(self, look: Callable[[], Any], timeout_s: float = WAIT_S) -> Any:
        """Call `look` until it returns something true; that."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = look()
            if found:
                return found
            assert time.monotonic() < deadline, f"{look} saw nothing in {timeout_s} s"
            time.sleep(0.05)


@contextmanager
def running_plane(home: Home, nodes: tuple[NodeSpec, ...] | None = None) -> Iterator[Plane]:
    """A control plane in `home`, stopped and wiped at the end."""
    tools = find_kube_tools(home, progress=say_that_it_builds)
    name = "test"
    try:
        running = ensure_control_plane(home, tools, nodes or node_specs(MACHINES), name)
        plane = Plane(home, tools, name, running.kubeconfig, running.server, ApiClient(running.kubeconfig))
        try:
            yield plane
        finally:
            plane.client.close()
    finally:
        stop_control_plane(home, name, wipe=True)


def make_home(folder: Path) -> Home:
    """A project folder of the test's own."""
    return open_home(checkout=CHECKOUT, environ={**os.environ, "SOPHIA_HOME": str(folder)})


def say_that_it_builds(progress: BuildProgress) -> None:
    """Whoever waits nine minutes for a test must see why."""
    print(f"building: {progress.line} ({progress.elapsed_s:.0f} s)", file=sys.stderr, flush=True)
