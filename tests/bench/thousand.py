"""A thousand machines: refresh, growth of a preview, and what emulator and program hold in memory."""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import requests

from sophia_infra.emulator.cloud import Cloud
from sophia_infra.emulator.server import EmulatorServer
from sophia_infra.emulator.settings import CloudSettings
from sophia_infra.model.clock import VirtualClock
from sophia_infra.provider.instance import InstanceKind
from tests.bench.emulator_process import emulator_process, launch_bare, memory_mib
from tests.bench.figures import Figure, Skipped
from tests.bench.in_process import BOOT_S, DYNAMIC_THREADS, open_session
from tests.bench.on_engine import find_engine_at_hand, plain_project
from tests.bench.timing import least
from tests.engine.project import make_project

__all__ = ["measure_thousand", "measure_thousand_on_engine"]

MANY = 1_000
SIZES = (100, 300, MANY)
_GROWTH = 1.5
"""A further machine above three hundred may cost so many times one below; quadratic, it costs three times."""

_GROWN = f"a further machine from {SIZES[1]} to {MANY:,} over one from {SIZES[0]} to {SIZES[1]}"

_KIB_PER_MIB = 1024
_NODE = {"type": "1xA10", "region": "us-west-1", "purpose": "bench"}
_RICH = {"limit": "$1,000,000/day"}


def measure_thousand(rounds: int) -> list[Figure]:
    """Refresh by one list, memory of the emulator, growth and memory of the program under mocks."""
    return [*_refresh(), _emulator_memory(), *_program(rounds)]


def _refresh() -> list[Figure]:
    clock = VirtualClock()
    with EmulatorServer(Cloud(CloudSettings(), clock)) as emulator, tempfile.TemporaryDirectory() as folder:
        # Not by our provider, which lists what there is before each launch.
        launch_bare(emulator.url, MANY)
        emulator.cloud.advance(BOOT_S)
        made = [(row["id"], {"name": row["name"]}) for row in emulator.cloud.dump()["instances"]]
        plain_s = least(3, lambda: _list_plainly(emulator.url))
        seen_before = len(emulator.cloud.requests.since(0))
        began_virtual_s, began_s = clock.now(), time.perf_counter()
        kind = InstanceKind(open_session(emulator, clock, folder))
        with ThreadPoolExecutor(DYNAMIC_THREADS) as threads:
            found = list(threads.map(lambda item: kind.read(*item), made))
        took_s = clock.now() - began_virtual_s + time.perf_counter() - began_s
        sent = Counter(seen.operation for seen in emulator.cloud.requests.since(0)[seen_before:])
    if any(row.id is None for row in found):
        raise RuntimeError("a machine was not found")
    name, how = f"refresh of {MANY:,} machines", f"{MANY:,} reads in {DYNAMIC_THREADS} threads; {dict(sent)}"
    return [
        Figure(name, took_s, "s", 3.0, how, reference=(plain_s, "one list and its JSON by `requests` alone")),
        Figure(
            f"{name}, requests",
            sent.total(),
            "",
            1,
            "counted by the emulator",
            reference=(MANY, "a GET of each"),
        ),
    ]


def _list_plainly(url: str) -> None:
    answer = requests.get(f"{url}/api/v1/instances", headers={"Authorization": "Bearer bench"}, timeout=60)
    if len(answer.json()["data"]) != MANY:
        raise RuntimeError(f"the list was answered with {answer.status_code}")


def _emulator_memory() -> Figure:
    with emulator_process() as (process, url):
        launch_bare(url, 1)
        empty_mib, _ = memory_mib(process.pid)
        began_s = time.perf_counter()
        launch_bare(url, MANY)
        took_s = time.perf_counter() - began_s
        for _ in range(50):
            _get_list(url)
        full_mib, _ = memory_mib(process.pid)
    how = f"VmRSS after {MANY:,} launches ({took_s:.1f} s in all) and 50 lists of them"
    reference = (empty_mib, "with one machine")
    return Figure(f"emulator memory, {MANY:,} machines", full_mib, "MiB", 150, how, reference=reference)


def _get_list(url: str) -> None:
    requests.get(f"{url}/api/v1/instances", headers={"Authorization": "Bearer bench"}, timeout=60)


def _program(rounds: int) -> Sequence[Figure]:
    ours = {size: _under_mocks("ours", size, rounds) for size in SIZES}
    plain = {size: _under_mocks("plain", size, rounds) for size in SIZES}
    plain_growth = _growth({size: seconds for size, (seconds, _) in plain.items()})
    return [
        Figure(
            "program under mocks, growth",
            _growth({size: seconds for size, (seconds, _) in ours.items()}),
            "x",
            _GROWTH,
            f"{_GROWN}, processor time; ms a machine: "
            + _ms_each({size: seconds for size, (seconds, _) in ours.items()}),
            reference=(plain_growth, "plain resources under the same mocks"),
        ),
        Figure(
            f"program memory, {MANY:,} machines",
            ours[MANY][1],
            "MiB",
            250,
            f"peak of a process under mocks; {SIZES[0]} machines: {ours[SIZES[0]][1]:.0f} MiB",
            reference=(plain[MANY][1], "plain resources under the same mocks"),
        ),
    ]


def _growth(seconds: dict[int, float]) -> float:
    """Time of a further machine above three hundred over one below: start-up is in neither."""
    few, more, many = SIZES
    below = (seconds[more] - seconds[few]) / (more - few)
    return (seconds[many] - seconds[more]) / (many - more) / below if below > 0 else math.inf


def _ms_each(seconds: dict[int, float]) -> str:
    return ", ".join(f"{size:,}: {took_s / size * 1000:.1f}" for size, took_s in seconds.items())


def _under_mocks(whose: str, count: int, rounds: int) -> tuple[float, float]:
    """Least processor seconds and least peak MiB of fresh processes."""
    command = [sys.executable, "-m", "tests.bench.thousand_program", whose, str(count)]
    taken = []
    for _ in range(rounds):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, kib = done.stdout.split()
        taken.append((float(seconds), int(kib) / _KIB_PER_MIB))
    return min(seconds for seconds, _ in taken), min(mib for _, mib in taken)


def measure_thousand_on_engine(rounds: int) -> list[Figure | Skipped]:
    """Preview of a hundred, three hundred and a thousand machines on the real engine."""
    engine = find_engine_at_hand()
    if engine is None:
        return [Skipped("preview growth", "no Pulumi engine on PATH or in the cache; `make engine` gets one")]
    ours: dict[int, float] = {}
    plain: dict[int, float] = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder, make_project(Path(folder) / "p", engine) as project:
            project.write({f"node-{number:04d}": _NODE for number in range(size)}, budget=_RICH)
            ours[size] = least(rounds, partial(project.run, "preview"))
        with plain_project(engine, size) as project:
            plain[size] = least(rounds, partial(project.run, "preview"))
    return [
        Figure(
            "preview, growth",
            _growth(ours),
            "x",
            _GROWTH,
            f"{_GROWN}; whole commands on the engine, least of {rounds}; ms a machine: {_ms_each(ours)}",
            reference=(_growth(plain), "plain components"),
        ),
        Figure(
            f"preview, {MANY:,} machines",
            ours[MANY],
            "s",
            None,
            f"the whole command, least of {rounds}",
            reference=(plain[MANY], f"a plain program of {MANY:,} components"),
        ),
    ]
