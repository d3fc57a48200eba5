"""The whole platform on a real API server: ready, up, preview, up again, by the command that a user types."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.cli.local_esc import ensure_esc_emulator, stop_esc_emulator
from sophia_infra.control_plane import ensure_control_plane, find_kube_tools, stop_control_plane
from sophia_infra.control_plane.errors import ControlPlaneError
from sophia_infra.control_plane.nodes import node_specs
from sophia_infra.engine.errors import EngineError
from sophia_infra.engine.home import open_home
from sophia_infra.model.kubernetes import SecretsConfig, place
from tests.bench.figures import Figure, Skipped
from tests.bench.on_engine import find_engine_at_hand, plain_project
from tests.bench.plain_program import run_plain_program
from tests.bench.plugin_speed import measure_plugin
from tests.bench.timing import as_program, least
from tests.cluster.whole_stack import CLUSTER, WholeStack, whole_stack
from tests.program.program_run import CHECKOUT, run_program, stack_config

__all__ = ["measure_platform", "measure_platform_program"]

READY_BUDGET_S = 10.0
PREVIEW_BUDGET_S = 10.0
NO_OP_BUDGET_S = 15.0
PROGRAM_BUDGET_S = 2.0


def measure_platform_program(rounds: int) -> list[Figure]:
    """Seconds of stack `local` under mocks, phases 1 and 2, secrets read from a real ESC emulator."""
    section: dict[str, Any] = stack_config("local")["sophia:kubernetes"]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        home = open_home(checkout=CHECKOUT, environ={"SOPHIA_HOME": folder})
        settings = SecretsConfig.model_validate(section["secrets"])
        try:
            for name, value in ensure_esc_emulator(home, settings).variables(settings).items():
                patch.setenv(name, value)
            patch.setenv("SOPHIA_HOME", folder)

            def both_phases() -> None:
                for phase in (1, 2):
                    made = run_program(patch, {**stack_config("local"), "sophia:phase": phase})
                    if made.errors:
                        raise RuntimeError(f"phase {phase}: {made.errors}")

            with as_program():
                seconds = least(rounds, both_phases)
            second = {**stack_config("local"), "sophia:phase": 2}
            count = len(run_program(patch, second).resources)
        finally:
            stop_esc_emulator(home)
    how = f"least of {rounds}; {count} resources in phase 2"
    reference = (least(rounds, lambda: run_plain_program(count)), "as many plain resources, once")
    return [
        Figure(
            "stack local under mocks, both phases", seconds, "s", PROGRAM_BUDGET_S, how, reference=reference
        )
    ]


def measure_platform(rounds: int) -> list[Figure | Skipped]:
    """Seconds of the control plane and of whole commands on it; resources a second of the first `up`."""
    with tempfile.TemporaryDirectory() as folder:
        home = open_home(checkout=CHECKOUT, environ={"SOPHIA_HOME": folder})
        try:
            find_kube_tools(home, may_build=False)
        except (ControlPlaneError, EngineError) as missing:
            return [Skipped("the platform on a cluster", f"{missing} `make kube` builds them")]
        with whole_stack(Path(folder) / "stack") as stack:
            return list(_measure(stack, rounds))


def _measure(stack: WholeStack, rounds: int) -> list[Figure]:
    ready_s = least(rounds, lambda: _restart(stack))
    plugin = measure_plugin(stack.plane)
    first_s, first = _timed(stack, "up", "--cluster", "--json")
    changes = first["changes"]
    preview_s = min(_timed(stack, "preview", "--json")[0] for _ in range(rounds))
    no_op_s = min(_timed(stack, "up", "--json")[0] for _ in range(rounds))
    objects = changes["create"]
    how = f"least of {rounds}, the whole command, {objects} resources"
    plain_preview_s, plain_no_op_s = _plainly(objects, rounds)
    previewed = (plain_preview_s, f"a plain program of {objects} components")
    unchanged = (plain_no_op_s, f"a plain program of {objects} components")
    return [
        Figure("control plane ready, warm", ready_s, "s", READY_BUDGET_S, f"least of {rounds}; state kept"),
        plugin,
        Figure("first up of the platform", first_s, "s", None, f"{objects} resources, boots at 6000x"),
        Figure("resources a second of that up", objects / first_s, "", None, "engine, boots, waits included"),
        Figure(
            f"preview of {objects} resources",
            preview_s,
            "s",
            PREVIEW_BUDGET_S,
            how,
            reference=previewed,
        ),
        Figure(
            f"no-op up of {objects} resources",
            no_op_s,
            "s",
            NO_OP_BUDGET_S,
            how,
            reference=unchanged,
        ),
    ]


def _plainly(count: int, rounds: int) -> tuple[float, float]:
    """Seconds of a preview and of an `up` without changes of a program of components alone."""
    engine = find_engine_at_hand()
    if engine is None:
        raise RuntimeError("the engine that brought the platform up is gone")
    with plain_project(engine, count) as plain:
        preview_s = least(rounds, lambda: plain.run("preview"))
        plain.up()
        return preview_s, least(rounds, lambda: plain.up(expect_no_changes=True))


def _restart(stack: WholeStack) -> None:
    """Stop and start; only the start is of interest, and stopping is quick."""
    home = stack.plane.home
    stop_control_plane(home, CLUSTER, wipe=False)
    nodes = node_specs(place(stack.config).clusters[CLUSTER].nodes)
    ensure_control_plane(home, stack.plane.tools, nodes, CLUSTER)
    stack.plane.client.close()  # its connection ended with the server before


def _timed(stack: WholeStack, *arguments: str) -> tuple[float, dict[str, Any]]:
    began_s = time.perf_counter()
    done = stack.sophia(*arguments)
    took_s = time.perf_counter() - began_s
    if done.code != 0:
        raise RuntimeError(f"sophia {' '.join(arguments)} ended with {done.code}: {done.said}")
    return took_s, done.json()
