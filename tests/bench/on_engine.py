"""Preview, first and second `up` on the real engine, beside a plain program of as many resources."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sophia_infra.engine.errors import EngineError
from sophia_infra.engine.home import open_home
from sophia_infra.engine.locate import Engine, find_engine
from tests.bench.figures import Figure, Skipped
from tests.bench.timing import least
from tests.engine.project import CHECKOUT, Project, make_project
from tests.unit.policies.policy_bench import BUDGET_S as POLICY_BUDGET_S
from tests.unit.policies.policy_bench import measure_policy_overhead

__all__ = ["find_engine_at_hand", "measure_engine", "measure_policies", "plain_project"]

MANY = 60
_PREVIEW_S = 10.0
_NO_OP_S = 15.0
_PLAIN = """\
import pulumi
for number in range({count}):
    pulumi.ComponentResource("bench:index:Thing", f"thing{{number}}")
"""
_FIVE = {
    "sophia-ai-core": {"type": "1xGH200", "region": "us-east-3", "purpose": "bench"},
    "sophia-mcp-orchestrator": {"type": "1xA6000", "region": "us-south-1", "purpose": "bench"},
    "sophia-data-pipeline": {"type": "gpu_1x_a100", "region": "us-south-1", "purpose": "bench"},
    "sophia-production": {"type": "1xRTX6000", "region": "us-south-1", "purpose": "bench"},
    "sophia-development": {"type": "1xA10", "region": "us-west-1", "purpose": "bench"},
}


def measure_engine(rounds: int, *, many: bool) -> list[Figure | Skipped]:
    """Seconds of whole commands of the engine, with five and with sixty machines."""
    engine = find_engine_at_hand()
    if engine is None:
        reason = "no Pulumi engine on PATH or in the cache; `make engine` gets one"
        return [Skipped("preview and no-op up on the engine", reason)]
    figures: list[Figure | Skipped] = [*_measure(engine, "the five", _FIVE, rounds)]
    if many:
        node = {"type": "1xA10", "region": "us-west-1", "purpose": "bench"}
        fleet = {f"node-{number:02d}": node for number in range(MANY)}
        figures += _measure(engine, f"{MANY} machines", fleet, 1)
    return figures


def find_engine_at_hand() -> Engine | None:
    """The engine that is at hand. Without a Go on PATH, `find_engine` never starts a build."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if not (Path(folder) / "go").exists())
    with tempfile.TemporaryDirectory() as folder:
        home = open_home(checkout=CHECKOUT, environ={"SOPHIA_HOME": folder})
        try:
            return find_engine(home, environ={**os.environ, "PATH": path})
        except EngineError:
            return None


def _measure(engine: Engine, label: str, fleet: dict[str, Any], rounds: int) -> Iterator[Figure]:
    resources = len(fleet) + 3  # and the key, the fleet, the wait
    how = f"least of {rounds}, the whole command" if rounds > 1 else "the whole command, once"
    with tempfile.TemporaryDirectory() as folder, make_project(Path(folder) / "project", engine) as project:
        project.write(fleet)
        preview_s = least(rounds, lambda: project.run("preview"))
        began_s = time.perf_counter()
        project.up()
        up_s = time.perf_counter() - began_s
        no_op_s = least(rounds, lambda: project.up(expect_no_changes=True))
    with plain_project(engine, resources) as plain:
        plain_preview_s = least(rounds, lambda: plain.run("preview"))
        plain.up()
        plain_no_op_s = least(rounds, lambda: plain.up(expect_no_changes=True))
    what = f"a plain program of {resources} components"
    yield Figure(f"preview, {label}", preview_s, "s", _PREVIEW_S, how, reference=(plain_preview_s, what))
    yield Figure(
        f"first up, {label}", up_s, "s", None, "emulator at speed 600, boot and pace of launches included"
    )
    yield Figure(f"no-op up, {label}", no_op_s, "s", _NO_OP_S, how, reference=(plain_no_op_s, what))


@contextmanager
def plain_project(engine: Engine, count: int) -> Iterator[Project]:
    """A project of components that need no provider: what engine and SDK cost by themselves."""
    with tempfile.TemporaryDirectory() as folder, make_project(Path(folder) / "project", engine) as project:
        (project.root / "__main__.py").write_text(_PLAIN.format(count=count), encoding="utf-8")
        project.write({})
        yield project


def measure_policies() -> list[Figure | Skipped]:
    """What the policy pack adds to a preview of 150 resources, beside what any pack adds."""
    if find_engine_at_hand() is None:
        return [Skipped("policy pack", "no Pulumi engine on PATH or in the cache; `make engine` gets one")]
    overhead = measure_policy_overhead()
    what = f"policy pack on a preview of {overhead.resources} resources"
    empty = (overhead.empty_pack_s - overhead.without_s, "an empty pack")
    how = f"least of {overhead.rounds} previews, less the least without a pack"
    return [
        Figure(f"{what}, all of it", overhead.added_s, "s", POLICY_BUDGET_S, how, reference=empty),
        Figure(f"{what}, our rules", overhead.rules_s, "s", POLICY_BUDGET_S, how),
    ]
