"""Run the test tiers in order and say which ran. `make test` calls this.

    unit, program, emulator   always
    engine, chaos             where the Pulumi engine is at hand; with --all or in CI it is found or built

A tier that does not run is printed as SKIPPED with the reason. Exit code 0: all that ran passed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
FAST_TIERS = ("unit", "program", "emulator")
ENGINE_TIERS = ("engine", "chaos")


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the test tiers.")
    parser.add_argument("--all", action="store_true", help="every tier must run; builds the engine if needed")
    parser.add_argument(
        "--tier", choices=(*FAST_TIERS, *ENGINE_TIERS), action="append", help="only this tier"
    )
    parser.add_argument("pytest_args", nargs="*", help="passed on to pytest")
    options = parser.parse_args()
    must_run = options.all or os.environ.get("CI") == "true"
    tiers = tuple(options.tier or (*FAST_TIERS, *ENGINE_TIERS))
    skipped: dict[str, str] = {}
    if any(tier in ENGINE_TIERS for tier in tiers) and not _engine_is_ready(build=must_run):
        for tier in ENGINE_TIERS:
            if tier in tiers:
                skipped[tier] = (
                    "no Pulumi engine on PATH or in the cache; `make test-all` builds one and runs all"
                )
        if must_run:
            print("The Pulumi engine could not be had, and every tier must run.", file=sys.stderr)
            return 3
    outcome = 0
    for tier in tiers:
        if tier in skipped:
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


def _pytest(tier: str, further: list[str]) -> int:
    command = [
        sys.executable,
        "-m",
        "pytest",
        f"tests/{tier}",
        "-q",
        "-n",
        "2",
        "--dist",
        "worksteal",
        *further,
    ]
    return subprocess.run(command, cwd=CHECKOUT, check=False).returncode


def _engine_is_ready(*, build: bool) -> bool:
    command = [sys.executable, "-m", "sophia_infra.engine", *([] if build else ["--no-build"])]
    return subprocess.run(command, cwd=CHECKOUT, check=False).returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
