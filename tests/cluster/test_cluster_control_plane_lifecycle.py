"""Start, stop, crash and repair of a control plane of its own.

One plane for the file, in the order of the tests that change it back; costs about 60 s. It buys the
proof that what `make up CLUSTER=1` starts is found, repaired and removed, whatever happened to it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from sophia_infra.control_plane import (
    NodeSpec,
    ensure_control_plane,
    find_control_plane,
    node_specs,
    stop_control_plane,
)
from sophia_infra.control_plane.api_client import ApiClient
from sophia_infra.control_plane.components import COMPONENTS, CONTROLLERS, SERVERS
from sophia_infra.control_plane.errors import RequestRefused
from sophia_infra.control_plane.folder import plane_folder
from sophia_infra.control_plane.processes import is_running, read_record
from sophia_infra.control_plane.status import read_status
from tests.cluster.plane import CHECKOUT, MACHINES, Plane, make_home, running_plane

NODES = node_specs(MACHINES[:2])
NAME = "test"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    with running_plane(make_home(tmp_path_factory.mktemp("own")), NODES) as running:
        yield running


def pids(plane: Plane) -> dict[str, int | None]:
    return {row.name: row.pid for row in read_status(plane.home, NAME).components}


def start(plane: Plane, nodes: tuple[NodeSpec, ...] = NODES) -> str:
    return ensure_control_plane(plane.home, plane.tools, nodes, NAME).server


def test_a_second_start_changes_nothing(own: Plane) -> None:
    before = pids(own)
    assert None not in before.values()
    assert start(own) == own.server
    assert pids(own) == before


def test_two_starts_at_once_start_one_plane(own: Plane) -> None:
    stop_control_plane(own.home, NAME)
    with ThreadPoolExecutor(2) as threads:
        servers = {future.result() for future in [threads.submit(start, own) for _ in range(2)]}
    assert servers == {own.server}
    assert None not in pids(own).values()


def test_stop_keeps_the_objects_and_the_kubeconfig(own: Plane) -> None:
    own.request("POST", "/api/v1/namespaces", {"metadata": {"name": "kept"}})
    before = own.kubeconfig.read_text()
    own.client.close()
    assert stop_control_plane(own.home, NAME)
    assert not stop_control_plane(own.home, NAME)
    assert read_status(own.home, NAME).state == "stopped"
    assert find_control_plane(own.home, NAME) is None
    start(own)
    assert own.kubeconfig.read_text() == before
    assert own.request("GET", "/api/v1/namespaces/kept")["metadata"]["name"] == "kept"


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_that_died_is_named_and_a_start_repairs_it(own: Plane, component: str) -> None:
    before = pids(own)
    pid = before[component]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    own.wait_for(lambda: pids(own)[component] is None)
    status = read_status(own.home, NAME)
    assert status.state == "degraded"
    assert component in status.problem
    assert component in [row.name for row in status.components if row.ended]
    assert find_control_plane(own.home, NAME) is None
    own.client.close()
    assert start(own) == own.server
    after = pids(own)
    assert None not in after.values()
    changed = {name for name in before if before[name] != after[name]}
    dependents = set(CONTROLLERS) if component in SERVERS else set()  # some end without their server
    assert {component} <= changed <= {component} | dependents


def test_nodes_follow_the_fleet_and_keep_what_others_set(own: Plane) -> None:
    first, second = NODES
    patch = {"metadata": {"labels": {"workload.test/role": "true"}}, "spec": {"unschedulable": True}}
    own.request("PATCH", f"/api/v1/nodes/{second.name}", patch, content_type="application/merge-patch+json")
    own.request("POST", "/api/v1/nodes", {"metadata": {"name": "of-somebody-else"}})
    larger = replace(second, capacity={**second.capacity, "nvidia.com/gpu": "4"}, labels={"a": "b"})
    third = node_specs(MACHINES[2:3])[0]
    start(own, (larger, third))
    nodes = {node["metadata"]["name"]: node for node in own.request("GET", "/api/v1/nodes")["items"]}
    assert set(nodes) == {second.name, third.name, "of-somebody-else"}
    node = nodes[second.name]
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "4"
    assert {"a": "b", "workload.test/role": "true"}.items() <= node["metadata"]["labels"].items()
    assert "sophia.internal/gpu" not in node["metadata"]["labels"]
    assert node["spec"]["unschedulable"]
    own.request("DELETE", "/api/v1/nodes/of-somebody-else")
    start(own)
    assert first.name in {node["metadata"]["name"] for node in own.request("GET", "/api/v1/nodes")["items"]}


def test_a_port_that_somebody_took_meanwhile_is_replaced(own: Plane) -> None:
    own.client.close()
    stop_control_plane(own.home, NAME)
    port = int(own.server.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        assert start(own) != own.server
    own.reconnect()
    assert own.request("GET", "/api/v1/namespaces/kept")


def test_ctrl_c_while_it_starts_leaves_nothing_running(own: Plane, tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    command = [sys.executable, "-m", "sophia_infra.control_plane", "start", "--name", "ended"]
    environment = {**os.environ, "SOPHIA_HOME": str(home.root)}
    records = plane_folder(home, "ended").processes
    with subprocess.Popen(
        command, cwd=CHECKOUT, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        own.wait_for(lambda: (records / "kube-apiserver").exists() or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.strip().endswith("Stopped; nothing half-started is left.")
    assert list(records.iterdir()) == []
    assert read_status(home, "ended").state == "stopped"


def test_a_start_that_is_killed_is_repaired_by_the_next(own: Plane, tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    command = [sys.executable, "-m", "sophia_infra.control_plane", "start", "--name", "killed"]
    environment = {**os.environ, "SOPHIA_HOME": str(home.root)}
    records = plane_folder(home, "killed").processes
    try:
        with subprocess.Popen(command, cwd=CHECKOUT, env=environment) as process:
            own.wait_for(lambda: (records / "kube-apiserver").exists() or process.poll() is not None)
            process.kill()
        before = read_record(records / "etcd")
        running = ensure_control_plane(home, own.tools, NODES, "killed")
        assert read_record(records / "etcd") == before
        assert before
        assert is_running(before)
        with ApiClient(running.kubeconfig) as client:
            assert client.request("GET", "/readyz") == "ok"
    finally:
        stop_control_plane(home, "killed", wipe=True)


def test_wipe_leaves_neither_process_nor_file(own: Plane) -> None:
    before = [pid for pid in pids(own).values() if pid]
    own.client.close()
    assert stop_control_plane(own.home, NAME, wipe=True)
    assert not plane_folder(own.home, NAME).root.exists()
    assert read_status(own.home, NAME).state == "absent"
    assert not [pid for pid in before if Path(f"/proc/{pid}/exe").exists()]
    started = time.monotonic()
    start(own)
    assert time.monotonic() - started < 60  # a hang, not a slow machine: `make bench` measures
    own.reconnect()
    with pytest.raises(RequestRefused, match="not found"):
        own.request("GET", "/api/v1/namespaces/kept")
