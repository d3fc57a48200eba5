"""How many objects a second: the plugin alone, and a whole `up` with the engine's checkpoints."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from pulumi.runtime.proto import provider_pb2

from sophia_infra.engine.events import Event, ResourceDone, ResourceStarted
from sophia_infra.engine.run import OperationOptions
from tests.cluster.plane import Plane
from tests.cluster.plugin_fixtures import config_map, engine, stack
from tests.cluster.plugin_project import PluginProject, row
from tests.summary import SUMMARY_LINE
from tests.unit.kubernetes_plugin.driver import Driver, struct, urn

__all__ = ["engine", "stack"]

pytestmark = pytest.mark.engine

FEW, MANY = 150, 500
AT_ONCE = 32
OBJECTS_PER_S = 50
SLOWER = 5
"""How much slower than alone a machine may be that runs other tests too."""

Record = Callable[[str, object], None]


def test_the_plugin_alone(plane: Plane, namespace: str, record_property: Record) -> None:
    """Check and create, as the engine asks for them; the plugin shares this process with the asking."""

    async def make_all() -> float:
        async with Driver() as driver:
            await driver.configure(kubeconfig=plane.kubeconfig.read_text(encoding="utf-8"))
            turns = asyncio.Semaphore(AT_ONCE)

            async def make(number: int) -> Any:
                async with turns:
                    where = urn("core/v1:ConfigMap", f"c{number}")
                    news = struct(config_map(namespace, f"c{number}"))
                    checked = await driver.stub.Check(provider_pb2.CheckRequest(urn=where, news=news))
                    request = provider_pb2.CreateRequest(urn=where, properties=checked.inputs)
                    return await driver.stub.Create(request)

            started = time.monotonic()
            made = await asyncio.gather(*(make(number) for number in range(MANY)))
            took_s = time.monotonic() - started
            assert len({row.id for row in made}) == MANY
            return took_s

    per_s = MANY / asyncio.run(make_all())
    record_property(SUMMARY_LINE, f"plugin alone: {MANY} ConfigMaps, {per_s:.0f} objects/s")
    assert per_s > OBJECTS_PER_S / SLOWER


def test_a_whole_run(stack: PluginProject, namespace: str, record_property: Record) -> None:
    """The engine writes its whole state after every step, so that this falls with the number of objects."""
    rows = [
        row("core/v1:ConfigMap", f"c{number}", config_map(namespace, f"c{number}")) for number in range(MANY)
    ]
    for count in (FEW, MANY):
        stack.write(*rows[:count])
        times: list[float] = []

        def note(event: Event, times: list[float] = times) -> None:
            if isinstance(event, ResourceStarted | ResourceDone) and event.step.op == "create":
                times.append(time.monotonic())

        started = time.monotonic()
        stack.run("up", OperationOptions(parallel=AT_ONCE), on_event=note)
        whole_s, made = time.monotonic() - started, count if count == FEW else MANY - FEW
        per_s = made / (times[-1] - times[0])
        line = f"up on the engine, from {count - made} to {count} ConfigMaps: {per_s:.0f} objects/s"
        record_property(SUMMARY_LINE, f"{line}, {whole_s:.1f} s with start and end")
    assert stack.up(expect_no_changes=True).changes["same"] == MANY + 2
    started = time.monotonic()
    stack.destroy()
    line = f"destroy on the engine: {MANY} ConfigMaps in {time.monotonic() - started:.1f} s"
    record_property(SUMMARY_LINE, line)
