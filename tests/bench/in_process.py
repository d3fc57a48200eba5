"""What our own code costs once it is imported: the stack file, the program, a refresh, a launch of many."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from sophia_infra.emulator.cloud import Cloud
from sophia_infra.emulator.server import EmulatorServer
from sophia_infra.emulator.settings import CloudSettings
from sophia_infra.lambda_cloud import LambdaCloud, Pacer
from sophia_infra.lambda_cloud.pacing import REQUEST_INTERVAL_S
from sophia_infra.model.clock import Clock, ScaledClock, VirtualClock
from sophia_infra.model.stack_config import load_stack_config
from sophia_infra.provider.fleet_ready import FleetReadyKind
from sophia_infra.provider.instance import InstanceKind
from sophia_infra.provider.journal import Journal
from sophia_infra.provider.session import Session
from tests.bench.figures import Figure
from tests.bench.plain_program import run_plain_program
from tests.bench.rivals import get_each_s, read_lines_s
from tests.bench.timing import as_program, least
from tests.program.program_run import CHECKOUT, PUBLIC_KEY, run_program, small_config
from tests.unit.cost.cost_bench import measure_cost_diff, write_event_file

__all__ = [
    "BOOT_S",
    "DYNAMIC_THREADS",
    "create_machines",
    "measure_cost",
    "measure_launch",
    "measure_program",
    "measure_refresh",
    "measure_stack_file",
    "open_session",
]

DYNAMIC_THREADS = 4
"""`pulumi.dynamic` serves so many calls at a time (facts/pulumi-engine.md)."""

REFRESHED = 64
LAUNCHED = 16
LAUNCH_INTERVAL_S = 12
BOOT_S = 240.0
_LAUNCH_SPEED = 60.0
_STACK = "sophia-infra/bench"


def measure_stack_file(rounds: int) -> list[Figure]:
    """Seconds to read and check the stack file of five machines."""
    file = CHECKOUT / "Pulumi.local.yaml"
    seconds = least(rounds * 3, lambda: load_stack_config(file))
    text = file.read_text("utf-8")
    plain_s = least(rounds * 3, lambda: yaml.load(text, Loader=yaml.SafeLoader))
    how = f"least of {rounds * 3}; budget is our own"
    reference = (plain_s, "PyYAML's safe_load, unchecked")
    return [Figure("stack file of the five", seconds, "s", 0.05, how, reference=reference)]


def measure_program(rounds: int) -> list[Figure]:
    """Seconds of the whole program under mocks, once in each phase, 15 machines in the last."""
    machine = {"type": "1xA10", "region": "us-west-1", "purpose": "bench", "filesystems": ["models"]}
    fleet = {f"node-{phase}-{n}": {**machine, "phase": phase} for phase in (1, 2, 3) for n in range(5)}
    filesystems = {"models": {"region": "us-west-1"}}

    counts: list[int] = []

    def three_phases() -> None:
        counts.clear()
        with pytest.MonkeyPatch.context() as patch:
            for phase in (1, 2, 3):
                made = run_program(patch, small_config(fleet, filesystems=filesystems, phase=phase))
                if made.kinds().get("Instance") != 5 * phase:
                    raise RuntimeError(f"phase {phase} made {made.kinds()}: {made.errors}")
                counts.append(len(made.resources))

    with as_program():
        seconds = least(rounds, three_phases)
    plain_s = sum(least(rounds, partial(run_plain_program, count)) for count in counts)
    how = f"least of {rounds}; 5, 10, 15 machines, {counts[0]}, {counts[1]}, {counts[2]} resources"
    reference = (plain_s, "as many plain resources")
    return [Figure("program under mocks, three phases", seconds, "s", 2.0, how, reference=reference)]


def measure_refresh() -> list[Figure]:
    """Virtual seconds and list requests of a refresh of 64 machines by a new process at 1 request/s."""
    clock = VirtualClock()
    with EmulatorServer(Cloud(CloudSettings(), clock)) as emulator, tempfile.TemporaryDirectory() as folder:
        made = create_machines(emulator, clock, folder, REFRESHED, threads=1)
        emulator.cloud.advance(BOOT_S)
        seen_before = len(emulator.cloud.requests.since(0))
        began_s = clock.now()
        real_began_s = time.perf_counter()
        kind = InstanceKind(open_session(emulator, clock, folder))
        with ThreadPoolExecutor(DYNAMIC_THREADS) as threads:
            found = list(threads.map(lambda item: kind.read(*item), made))
        took_s = clock.now() - began_s + time.perf_counter() - real_began_s
        sent = Counter(seen.operation for seen in emulator.cloud.requests.since(0)[seen_before:])
        each_s = (
            get_each_s(emulator.url, [machine_id for machine_id, _ in made]) + REFRESHED * REQUEST_INTERVAL_S
        )
    if any(row.id is None for row in found):
        raise RuntimeError("a machine was not found")
    how = f"{REFRESHED} reads in {DYNAMIC_THREADS} threads at 1 request/s; {dict(sent)}"
    return [
        Figure(
            f"refresh of {REFRESHED} machines",
            took_s,
            "s",
            3.0,
            how,
            reference=(each_s, "one GET for each by `requests`, one a second"),
        ),
        Figure(
            f"refresh of {REFRESHED} machines, requests",
            sent.total(),
            "",
            1,
            "counted by the emulator",
            reference=(REFRESHED, "one GET for each"),
        ),
    ]


def measure_launch() -> list[Figure]:
    """Virtual seconds from nothing to 16 ready machines, against the floor that the rate limit sets."""
    clock = ScaledClock(_LAUNCH_SPEED)
    with EmulatorServer(Cloud(CloudSettings(), clock)) as emulator, tempfile.TemporaryDirectory() as folder:
        session = open_session(emulator, clock, folder)
        session.client.add_ssh_key("bench", PUBLIC_KEY)
        began_s = clock.now()
        made = create_machines(emulator, clock, folder, LAUNCHED, threads=DYNAMIC_THREADS, session=session)
        instances = {props["logical_name"]: machine_id for machine_id, props in made}
        FleetReadyKind(session).create(
            {"stack": _STACK, "instances": instances, "timeout_minutes": {}, "probe_ssh": False}
        )
        took_s = clock.now() - began_s
    floor_s = (LAUNCHED - 1) * LAUNCH_INTERVAL_S + BOOT_S
    return [
        Figure(
            f"launch of {LAUNCHED} machines until ready",
            took_s,
            "s",
            floor_s * 1.05,
            f"virtual seconds at speed {_LAUNCH_SPEED:.0f}, {DYNAMIC_THREADS} threads; floor + 5 %",
            reference=(floor_s, f"the floor, {LAUNCHED - 1} x {LAUNCH_INTERVAL_S} s + {BOOT_S:.0f} s boot"),
        )
    ]


def open_session(emulator: EmulatorServer, clock: Clock, folder: str) -> Session:
    client = LambdaCloud(emulator.url, "bench", clock=clock, pacer=Pacer(None, "bench", clock))
    return Session(client, clock, Journal(Path(folder)), say=lambda _line: None)


def create_machines(
    emulator: EmulatorServer,
    clock: Clock,
    folder: str,
    count: int,
    *,
    threads: int,
    session: Session | None = None,
) -> list[tuple[str, dict[str, Any]]]:
    """`count` machines by the provider's own code: (id, outputs) of each."""
    if session is None:
        session = open_session(emulator, clock, folder)
        session.client.add_ssh_key("bench", PUBLIC_KEY)
    kind = InstanceKind(session)

    def create(number: int) -> tuple[str, dict[str, Any]]:
        name = f"node-{number:02d}"
        made = kind.create(
            {
                "stack": _STACK,
                "logical_name": name,
                "name": name,
                "instance_type": "gpu_1x_a10",
                "region": "us-west-1",
                "ssh_key_name": "bench",
                "generation": 1,
            }
        )
        return made.id, dict(made.outputs)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(create, range(count)))


def measure_cost() -> list[Figure]:
    """`sophia cost diff` on a generated file of 1 MB, as a whole process."""
    measured = measure_cost_diff()
    how = f"least of whole processes; {measured['file_bytes'] / 1e6:.1f} MB, {measured['machines']} machines"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plan.events.jsonl"
        write_event_file(file)
        reference = (read_lines_s(file, 5), "a bare Python process that parses its lines")
    return [
        Figure("sophia cost diff", measured["best_s"], "s", measured["limit_s"], how, reference=reference)
    ]
