"""Run the test tiers in order and say which ran. `make test` calls this.

    unit, program, emulator   always
    load                      always: the inference gateway under load and kills
    foreign                   where clients of others could be installed: they work on our emulator
    monitoring                where Prometheus, Alertmanager and Chromium are on PATH
    engine, chaos             where the Pulumi engine is at hand
    cluster                   where the parts of a Kubernetes control plane are at hand too

With --all or in CI what is missing is found or built, and every tier must run. A tier that does not run is
printed as SKIPPED with the reason. Exit code 0: all that ran passed.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
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

HOW = {
    ENGINE: "`make test-all` builds it and runs all",
    CONTROL_PLANE: "`make test-all` builds it and runs all",
    FOREIGN: "`make test-all` installs them from PyPI and npm",
    PROMETHEUS: "on Debian `apt-get install prometheus prometheus-alertmanager chromium` brings them",
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the test tiers.")
    parser.add_argument("--all", action="store_true", help="every tier must run; builds what is missing")
    parser.add_argument("--tier", choices=tuple(NEEDS), action="append", help="only this tier")
    parser.add_argument("pytest_args", nargs="*", help="passed on to pytest")
    options = parser.parse_args()
    # A shell starts what it puts into the background with Ctrl-C ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    must_run = options.all or os.environ.get("CI") == "true"
    tiers: Sequence[str] = options.tier or tuple(NEEDS)
    at_hand = {need: _is_ready(need, build=must_run) for need in WHAT if any(need in NEEDS[t] for t in tiers)}
    missing = [WHAT[need] for need, ready in at_hand.items() if not ready]
    if missing and must_run:
        print(f"Every tier must run, and this could not be had: {', '.join(missing)}.", file=sys.stderr)
        return 3
    outcome = 0
    skipped: dict[str, str] = {}
    for tier in tiers:
        lacks = [need for need in NEEDS[tier] if not at_hand[need]]
        if lacks:
            skipped[tier] = f"missing: {' and '.join(WHAT[need] for need in lacks)}; {HOW[lacks[0]]}"
            continue
        started = time.monotonic()
        print(f"=== tier {tier}", flush=True)
        code = _pytest(tier, options.pytest_args)
        verdict = "passed" if code == 0 else f"FAILED ({code})"
        print(f"=== tier {tier}: {verdict}, {time.monotonic() - started:.0f} s", flush=True)
        outcome = outcome or code
    for tier, reason in skipped.items():
        print(f"=== tier {tier}: SKIPPED, {reason}")
    return outcome


def _pytest(tier: str, further: Sequence[str]) -> int:
    # A file of these tiers tells one story on one cluster or one Prometheus, so it stays with one worker.
    distribution = "loadfile" if tier in ("cluster", "monitoring") else "worksteal"
    workers = ("-q", "-n", "2", "--dist", distribution)
    command = [sys.executable, "-m", "pytest", f"tests/{tier}", *workers, *further]
    return subprocess.run(command, cwd=CHECKOUT, check=False).returncode


def _is_ready(need: Sequence[str], *, build: bool) -> bool:
    command = [sys.executable, *need, *([] if build else ["--no-build"])]
    return subprocess.run(command, cwd=CHECKOUT, check=False).returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
