"""`sophia canary` and `sophia cutover` as a user runs them, on a real API server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sophia_infra.cli.exit_codes import ExitCode
from tests.cluster.gateway_api import install_gateway_api
from tests.cluster.plane import CHECKOUT, Plane
from tests.cluster.weighted_router import Side
from tests.cluster.whole_stack import Finished

IMAGE = "sophia/web:1.1.0"


@dataclass
class World:
    """A stack of one workload with an ingress, its stable pods up, and something that is probed."""

    plane: Plane
    namespace: str
    root: Path
    probe: Side

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "SOPHIA_HOME": str(self.root / "home"),
            "SOPHIA_PROJECT": str(self.root),
            "LAMBDA_API_URL": "http://127.0.0.1:9",
        }
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "sophia_infra.cli", *arguments),
                *("--kubeconfig", str(self.plane.kubeconfig)),
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def sophia(self, *arguments: str) -> Finished:
        return finish(self.command(*arguments))

    def run(self, *more: str) -> tuple[str, ...]:
        probe = ("--probe-url", self.probe.url, "--interval", "0.2")
        return ("canary", "run", "web", "--image", IMAGE, *probe, *more)

    def weights(self) -> list[int]:
        folder = f"/apis/gateway.networking.k8s.io/v1/namespaces/{self.namespace}/httproutes"
        return [
            side["weight"]
            for route in self.plane.request("GET", folder)["items"]
            for side in route["spec"]["rules"][0]["backendRefs"]
        ]


def finish(process: subprocess.Popen[str]) -> Finished:
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in out + err, err
    return Finished(process.returncode, out, err)


def stack_file(namespace: str, bake_minutes: float) -> dict[str, Any]:
    row = {
        "image": "sophia/web:1.0.0",
        "namespace": namespace,
        "ports": {"http": 80},
        "cpu": "0.1..0.2",
        "memory": "64Mi..128Mi",
        "metrics": {"family": "none"},
        "ingress": {"host": "web"},
    }
    values = {
        "phase": 2,
        "endpoint": "emulator",
        "budget": {"limit": "$500/day"},
        "ssh": {
            "public_key": "ssh-ed25519 "
            "AAAAC3NzaC1lZDI1NTE5AAAAICwvfh1r3PLI2KF5UILCLBq3fm/Ks6xuxUTqjVkCRqkn sophia-local"
        },
        "fleet": {"core": {"type": "1xA6000", "region": "us-south-1", "purpose": "test"}},
        "rollout": {"weights": [50, 100], "bake_minutes": bake_minutes, "swarm_address": "192.0.2.10"},
        "kubernetes": {
            "node_roles": {"core": ["backend"]},
            "namespaces": {namespace: {}},
            "ingress": {"domain": "example.com"},
            "workloads": {"web": row},
        },
    }
    return {"config": {f"sophia:{key}": value for key, value in values.items()}}


@pytest.fixture
def world(plane: Plane, namespace: str, tmp_path: Path) -> Iterator[World]:
    install_gateway_api(plane)
    priority = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass"}
    plane.apply(
        "/apis/scheduling.k8s.io/v1/priorityclasses/standard",
        {**priority, "metadata": {"name": "standard"}, "value": 500},
    )
    (tmp_path / "Pulumi.yaml").write_text((CHECKOUT / "Pulumi.yaml").read_text("utf-8"), encoding="utf-8")
    write(tmp_path, namespace, 0.01)
    ingress = {
        "metadata": {"name": "web"},
        "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
    }
    plane.request("POST", f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses", ingress)
    with Side("web") as probe:
        thread = threading.Thread(target=probe.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield World(plane, namespace, tmp_path, probe)
        probe.shutdown()
        thread.join()


def write(root: Path, namespace: str, bake_minutes: float) -> None:
    text = yaml.safe_dump(stack_file(namespace, bake_minutes), sort_keys=False)
    (root / "Pulumi.local.yaml").write_text(text, encoding="utf-8")


def spoil(world: World) -> None:
    folder = f"/apis/gateway.networking.k8s.io/v1/namespaces/{world.namespace}/httproutes"
    body = world.plane.request("GET", f"{folder}/web-canary")
    body["metadata"]["annotations"]["sophia.internal/rollout-state"] = "by hand"
    world.plane.request("PUT", f"{folder}/web-canary", body)


def test_a_canary_passes_is_seen_and_is_aborted(world: World) -> None:
    unmeasured = world.sophia("canary", "run", "web", "--image", IMAGE)
    assert unmeasured.code == ExitCode.USAGE
    assert "Nothing would measure the calls" in unmeasured.said
    assert world.weights() == []
    done = world.sophia(*world.run())
    assert done.code == 0, done.said
    assert world.weights() == [0, 100]
    status = world.sophia("canary", "status", "--json")
    assert status.json()["canaries"]["web"]["status"] == "passed"
    spoil(world)
    spoilt = world.sophia("canary", "status")
    assert spoilt.code == ExitCode.USAGE
    assert "sophia canary abort" in spoilt.said
    assert world.sophia("canary", "abort", "web").code == 0
    assert world.weights() == []
    again = world.sophia("canary", "abort", "web", "--json")
    assert (again.code, again.json()["deleted"]) == (0, [])
    log = (world.root / "home/audit/stacks/local.jsonl").read_text("utf-8")
    assert [word in log for word in ('"canary run"', '"canary abort"', IMAGE)] == [True] * 3


def test_a_fault_ends_with_findings_and_ctrl_c_leaves_a_step_to_go_on_from(world: World) -> None:
    write(world.root, world.namespace, 5)
    running = world.command(*world.run())
    try:
        world.plane.wait_for(lambda: world.weights() == [50, 50])
        running.send_signal(signal.SIGINT)
        stopped = finish(running)
    finally:
        running.kill()
    assert stopped.code == ExitCode.INTERRUPTED
    assert world.weights() == [50, 50]
    world.probe.is_broken = True
    done = world.sophia(*world.run("--json"))
    assert done.code == ExitCode.FINDINGS, done.said
    assert done.json()["progress"]["status"] == "rolled_back"
    assert world.weights() == [100, 0]


def test_a_cutover_says_what_is_missing_before_it_moves_anything(world: World) -> None:
    lacking = world.sophia("cutover", "status")
    assert lacking.code == ExitCode.USAGE
    assert "Nothing takes the place of Swarm's" in lacking.said


def test_a_cluster_that_is_not_there_is_one_sentence(world: World, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = world.plane.kubeconfig.read_text("utf-8").replace(world.plane.server, f"https://127.0.0.1:{port}")
    world.plane = replace(world.plane, kubeconfig=tmp_path / "gone.yaml")
    world.plane.kubeconfig.write_text(text, encoding="utf-8")
    silent = world.sophia("canary", "status")
    assert silent.code == ExitCode.CLOUD
    assert "The cluster did not do what was asked" in silent.said
