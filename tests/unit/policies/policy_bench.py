"""What the policy pack adds to a preview of 150 resources, on the real engine; `tests.bench` calls it."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from sophia_infra.engine.home import open_home
from sophia_infra.engine.locate import find_engine
from sophia_infra.engine.run import OperationOptions
from tests.engine.policy_pack import copy_policy_pack
from tests.engine.project import CHECKOUT, Project, make_project

__all__ = ["BUDGET_S", "RESOURCES", "PolicyOverhead", "measure_policy_overhead"]

RESOURCES = 150
BUDGET_S = 1.0

# Components need no provider, so that only the engine, the program and the pack are measured.
PROGRAM = """
import pulumi

def workload(number):
    labels = {"app": f"web-{number}", "team": "platform"}
    container = {
        "name": "main", "image": f"ghcr.io/sophia/web:1.0@sha256:" + "0123456789abcdef" * 4,
        "env": [{"name": f"SETTING_{at}", "value": "value"} for at in range(10)],
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        "securityContext": {"runAsNonRoot": True, "readOnlyRootFilesystem": True},
        "readinessProbe": {"httpGet": {"path": "/health", "port": 8000}},
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8000}},
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {"metadata": {"name": f"web-{number}", "namespace": "apps"},
            "spec": {"replicas": 1, "template": template}}

def machine(number):
    return {"instance_type": "gpu_1x_a10", "region": "us-west-1",
            "tags": {"owner": "ml", "purpose": "bench", "team": "ml"}}

for number in range(RESOURCES):
    is_machine = number % 3 == 0
    token = "pulumi-python:dynamic/lambda:Instance" if is_machine else "kubernetes:apps/v1:Deployment"
    props = machine(number) if is_machine else workload(number)
    pulumi.ComponentResource(token, f"r{number}", props, pulumi.ResourceOptions(protect=is_machine))
"""


# The least that any pack costs: its process, and two calls of the engine for each resource.
EMPTY_PACK = """
from pulumi_policy import PolicyPack, ResourceValidationPolicy

PolicyPack("empty", policies=[ResourceValidationPolicy("nothing", "says nothing", lambda args, report: None)])
"""


@dataclass(frozen=True)
class PolicyOverhead:
    """Seconds of wall clock, the fastest of `rounds` previews of each sort, taken in turns.

    The fastest, because everything else that runs on the machine only ever adds.

    Attributes:
        without_s: a preview without a pack.
        empty_pack_s: the same with a pack of one policy that does nothing: what Pulumi itself takes.
        with_s: the same with our pack.
    """

    resources: int
    rounds: int
    without_s: float
    empty_pack_s: float
    with_s: float

    @property
    def added_s(self) -> float:
        """By our pack, the start of its process included."""
        return self.with_s - self.without_s

    @property
    def rules_s(self) -> float:
        """By our rules, over an empty pack: the part that is ours to keep small."""
        return self.with_s - self.empty_pack_s

    def __str__(self) -> str:
        return (
            f"{self.resources} resources: preview {self.without_s:.2f} s, with an empty pack "
            f"{self.empty_pack_s:.2f} s, with ours {self.with_s:.2f} s: the rules add {self.rules_s:.2f} s, "
            f"the pack as a whole {self.added_s:.2f} s (budget {BUDGET_S} s)"
        )


def measure_policy_overhead(rounds: int = 5) -> PolicyOverhead:
    """Preview a program of `RESOURCES` resources without a pack, with an empty one, and with ours."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        home = open_home(checkout=CHECKOUT, environ={"SOPHIA_HOME": str(root / "home")})
        with make_project(root / "project", find_engine(home)) as project:
            project.write({}, budget={"limit": "$2,000/day"})
            program = PROGRAM.replace("RESOURCES", str(RESOURCES))
            (project.root / "__main__.py").write_text(program, encoding="utf-8")
            ours, empty = copy_policy_pack(root / "ours"), copy_policy_pack(root / "empty")
            (empty / "__main__.py").write_text(EMPTY_PACK, encoding="utf-8")
            seconds: dict[Path | None, list[float]] = {None: [], empty: [], ours: []}
            for pack in seconds:
                _preview(project, pack)  # once, so that bytecode and file cache are warm
            for _round in range(rounds):
                for pack, taken in seconds.items():
                    taken.append(_preview(project, pack))
    without_s, empty_pack_s, with_s = (min(taken) for taken in seconds.values())
    return PolicyOverhead(RESOURCES, rounds, without_s, empty_pack_s, with_s)


def _preview(project: Project, pack: Path | None) -> float:
    started_s = time.perf_counter()
    project.run("preview", OperationOptions(policy_packs=[pack] if pack else []))
    return time.perf_counter() - started_s


if __name__ == "__main__":
    print(measure_policy_overhead())
