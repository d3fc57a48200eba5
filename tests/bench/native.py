"""The two providers side by side: the same machines, engine and emulator, one after the other."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from sophia_infra.engine.cancellation import Cancellation
from sophia_infra.engine.errors import OperationError
from sophia_infra.engine.locate import Engine
from sophia_infra.engine.run import OperationOptions
from sophia_infra.model.resource_tokens import ProviderName
from sophia_infra.provider.serving import STOP_FILE_VARIABLE
from tests.bench.figures import Figure, Skipped
from tests.bench.on_engine import find_engine_at_hand
from tests.bench.timing import least
from tests.engine.project import Project, make_project

__all__ = ["measure_native"]

MANY = 32
_NODE = {"type": "1xA10", "region": "us-west-1", "purpose": "bench"}
_WAITING = {**_NODE, "wait_for_capacity": {"max_minutes": 600, "max_usd": "$100,000"}}
_GIVEN_UP_S = 120.0


def measure_native(rounds: int) -> list[Figure | Skipped]:
    """Every figure of the native provider, with that of the dynamic one as its reference."""
    engine = find_engine_at_hand()
    if engine is None:
        return [Skipped("provider A/B", "no Pulumi engine on PATH or in the cache; `make engine` gets one")]
    measured = {name: _measure(engine, name, rounds) for name in get_args(ProviderName)}
    return [
        Figure(name, value, unit, None, how, reference=(measured["dynamic"][name][0], "the dynamic provider"))
        for name, (value, unit, how) in measured["native"].items()
    ]


def _measure(engine: Engine, provider: ProviderName, rounds: int) -> dict[str, tuple[float, Any, str]]:
    figures: dict[str, tuple[float, Any, str]] = {}
    with _project(engine, provider) as project:
        project.write({f"node-{number:02d}": _NODE for number in range(MANY)})
        figures[f"preview of {MANY} creates"] = (
            least(rounds, lambda: project.run("preview")),
            "s",
            f"the whole command, least of {rounds}",
        )
        figures[f"up with {MANY} creates"] = (
            least(1, lambda: project.run("up", OperationOptions(parallel=64))),
            "s",
            "once; 12 s between launches, boots of minutes, at speed 600",
        )
        figures["no-op up"] = (
            least(rounds, lambda: project.up(expect_no_changes=True)),
            "s",
            f"{MANY} machines, least of {rounds}",
        )
        file = project.home.state / ".pulumi/stacks/sophia-infra/local.json"
        figures["bytes of state"] = (float(file.stat().st_size), "", f"{MANY} machines, key, wait")
    with _project(engine, provider) as project:
        waiting, stopped_s = _waits(project)
    figures["creates that wait at once"] = (float(waiting), "", f"of {MANY} without capacity")
    figures["cancel to end of run"] = (stopped_s, "s", f"{MANY} creates waiting for capacity")
    return figures


def _waits(project: Project) -> tuple[int, float]:
    """How many creates wait for capacity together, and seconds from the request to stop to the end."""
    project.cloud.set_capacity("gpu_1x_a10", "us-west-1", 0)
    project.write({f"node-{number:02d}": _WAITING for number in range(MANY)})
    # As `sophia up` does: the dynamic provider does not hear the engine's Cancel, and looks for a file.
    stop_file = project.root / "stop"
    project.variables[STOP_FILE_VARIABLE] = str(stop_file)
    cancellation = Cancellation(on_first_request=stop_file.touch)
    run = threading.Thread(target=_run_until_stopped, args=(project, cancellation))
    run.start()
    waiting = _settled(lambda: _refused_launches(project), run.is_alive)
    began_s = time.perf_counter()
    cancellation.request()
    run.join()
    return waiting, time.perf_counter() - began_s


def _run_until_stopped(project: Project, cancellation: Cancellation) -> None:
    try:
        project.run("up", OperationOptions(parallel=64), cancellation=cancellation)
    except OperationError:
        return


def _refused_launches(project: Project) -> int:
    """Each create is refused once and then waits."""
    with project.cloud.lock:
        return sum(seen.operation == "launchInstance" for seen in project.cloud.requests.since(0))


def _settled(count: Callable[[], int], goes_on: Callable[[], bool]) -> int:
    """The count once it has not changed for three seconds. Raises RuntimeError when nothing is counted."""
    began_s = changed_s = time.perf_counter()
    last = 0
    while goes_on() and time.perf_counter() - began_s < _GIVEN_UP_S:
        now = count()
        if now != last:
            last, changed_s = now, time.perf_counter()
        if last and time.perf_counter() - changed_s > 3:
            return last
        time.sleep(0.1)
    raise RuntimeError("the run ended before anything waited")


@contextmanager
def _project(engine: Engine, provider: ProviderName) -> Iterator[Project]:
    with tempfile.TemporaryDirectory() as folder, make_project(Path(folder) / "project", engine) as project:
        project.variables["SOPHIA_PROVIDER"] = provider
        yield project
