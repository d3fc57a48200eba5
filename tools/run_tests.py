"""Run the test tiers in order and say which ran. `make test` calls this.

    unit, program, emulator   always
    load                      always: the inference gateway under load and kills
    foreign                   where clients of others could be installed: they work on our emulator
    monitoring                where Prometheus, Alertmanager and Chromium are on PATH
    engine, chaos             where the Pulumi engine is at hand
    cluster                   where the parts of a Kubernetes control plane are at hand too

load, foreign and monitoring mostly wait, so they run beside unit, program and emulator, and what they say is
printed when their turn comes. With --all or in CI what is missing is found or built, and every tier must run.
--quick leaves out those of the engine, which take most of the time. A tier that does not run is printed as
SKIPPED with the reason. Exit code 0: all that ran passed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]

ENGINE = ("-m", "sophia_infra.engine")
CONTROL_PLANE = ("-m", "sophia_infra.control_plane", "build")
FOREIGN = ("-m", "tests.foreign.clients")
PROMETHEUS = ("-m", "tests.monitoring.tools")
WHAT = {
    ENGINE: "the Pulumi engine",
    CONTROL_PLANE: "the Kubernetes control plane",
    FOREIGN: "foreign clients of Lambda Cloud",
    PROMETHEUS: "Prometheus, Alertmanager and Chromium",
}

NEEDS: Mapping[str, Sequence[tuple[str, ...]]] = {
    "unit": (),
    "program": (),
    "emulator": (),
    "load": (),
    "foreign": (FOREIGN,),
    "monitoring": (PROMETHEUS,),
    "engine": (ENGINE,),
    "cluster": (ENGINE, CONTROL_PLANE),
    "chaos": (ENGINE,),
}
"""Tier -> commands that find, or build, what it needs; `--no-build` makes them only look."""

ENGINE_TIERS = ("engine", "cluster", "chaos")
COMPUTING = ("unit", "program", "emulator")
WAITING = ("load", "foreign", "monitoring")
"""Tiers of the second row run beside those of the first."""

SPREAD: Mapping[str, Sequence[str]] = {
    # Three of its files wait for a fast world; they come first, and the others compute meanwhile.
    "monitoring": ("-n", "4", "--dist", "loadfile", "--no-loadscope-reorder"),
    # A file tells one story on one cluster.
    "cluster": ("-n", "2", "--dist", "loadfile"),
}
"""How a tier's tests are spread over workers, where not over two as it comes."""

HOW = {
    ENGINE: "`make test-all` builds it and runs all",
    CONTROL_PLANE: "`make test-all` builds it and runs all",
    FOREIGN: "`make test-all` installs them from PyPI and npm",
    PROMETHEUS: "on Debian `apt-get install prometheus prometheus-alertmanager chromium` brings them",
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the test tiers.")
    parser.add_argument("--all", action="store_true", help="every tier must run; builds what is missing")
    parser.add_argument("--quick", action="store_true", help=f"without {', '.join(ENGINE_TIERS)}")
    parser.add_argument("--tier", choices=tuple(NEEDS), action="append", help="only this tier")
    parser.add_argument("pytest_args", nargs="*", help="passed on to pytest")
    options = parser.parse_args()
    # A shell starts what it puts into the background with Ctrl-C ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    must_run = options.all or os.environ.get("CI") == "true"
    if must_run and options.quick:
        print("--quick leaves tiers out, and --all or CI=true asks for every tier.", file=sys.stderr)
        return 64
    tiers: Sequence[str] = options.tier or tuple(NEEDS)
    if options.quick:
        tiers = [tier for tier in tiers if tier not in ENGINE_TIERS]
    at_hand = {need: _is_ready(need, build=must_run) for need in WHAT if any(need in NEEDS[t] for t in tiers)}
    missing = [WHAT[need] for need, ready in at_hand.items() if not ready]
    if missing and must_run:
        print(f"Every tier must run, and this could not be had: {', '.join(missing)}.", file=sys.stderr)
        return 3
    lacking = {tier: [need for need in NEEDS[tier] if not at_hand[need]] for tier in tiers}
    ready = [tier for tier in tiers if not lacking[tier]]
    if not options.tier and any(tier in ready for tier in ENGINE_TIERS):
        print("All take half an hour on two cores; `make test ARGS=--quick` three to four minutes.")
    outcome = _run(ready, options.pytest_args)
    if options.quick:
        print(f"=== tiers {', '.join(ENGINE_TIERS)}: SKIPPED, by --quick")
    for tier, lacks in lacking.items():
        if lacks:
            what = " and ".join(WHAT[need] for need in lacks)
            print(f"=== tier {tier}: SKIPPED, missing: {what}; {HOW[lacks[0]]}")
    return outcome


def _run(tiers: Sequence[str], pytest_args: Sequence[str]) -> int:
    """Run the tiers; the exit code of the first that failed, or 0."""
    computing = [tier for tier in tiers if tier in COMPUTING]
    waiting = [tier for tier in tiers if tier in WAITING] if computing else []
    codes = []
    with _beside(waiting, pytest_args) as told_and_code:
        codes += [_tier(tier, pytest_args) for tier in computing]
        codes.append(told_and_code())
    codes += [_tier(tier, pytest_args) for tier in tiers if tier not in (*computing, *waiting)]
    return next((code for code in codes if code), 0)


def _tier(tier: str, pytest_args: Sequence[str]) -> int:
    started, used_before = time.monotonic(), _used_s()
    print(f"=== tier {tier}", flush=True)
    code = _pytest(tier, pytest_args)
    verdict = "passed" if code == 0 else f"FAILED ({code})"
    took = f"{time.monotonic() - started:.0f} s, {_used_s() - used_before:.0f} s of processor time"
    print(f"=== tier {tier}: {verdict}, {took}", flush=True)
    return code


def _used_s() -> float:
    """Processor time of all that was started and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def _beside(tiers: Sequence[str], pytest_args: Sequence[str]) -> Iterator[Callable[[], int]]:
    """Run tiers one after another in a process of its own; gives what waits for them and prints all."""
    if not tiers:
        yield lambda: 0
        return
    print(f"=== beside the first tiers: {', '.join(tiers)}", flush=True)
    chosen = [part for tier in tiers for part in ("--tier", tier)]
    command = [sys.executable, __file__, *chosen, "--", *pytest_args]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)

        def told_and_code() -> int:
            code = process.wait()
            said.seek(0)
            print(said.read(), end="", flush=True)
            return code

        try:
            yield told_and_code
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait()


def _pytest(tier: str, further: Sequence[str]) -> int:
    # One worker more than cores: half a test's time goes into processes and disks that it waits for.
    workers = str((os.cpu_count() or 1) + 1) if tier in COMPUTING else "2"
    spread = SPREAD.get(tier, ("-n", workers, "--dist", "worksteal"))
    # What only computes gives way to what lives by the clock beside it.
    polite = ("nice", "-n", "5") if tier in COMPUTING else ()
    command = [*polite, sys.executable, "-m", "pytest", f"tests/{tier}", "-q", *spread, *further]
    # Tests start hundreds of processes; without a cache of bytecode each would compile the same files.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(command, cwd=CHECKOUT, env=environment, check=False).returncode


def _is_ready(need: Sequence[str], *, build: bool) -> bool:
    command = [sys.executable, *need, *([] if build else ["--no-build"])]
    return subprocess.run(command, cwd=CHECKOUT, check=False).returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
