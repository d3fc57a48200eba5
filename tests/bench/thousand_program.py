"""`python -m tests.bench.thousand_program ours|plain COUNT`: one run under mocks in a process of its own.

Prints processor seconds of the run, without imports, and the peak memory of the process in KiB.
"""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path

import pytest

from tests.bench.plain_program import run_plain_program
from tests.program.program_run import run_program, small_config

_MACHINE = {"type": "1xA10", "region": "us-west-1", "purpose": "bench"}


def main(whose: str, count: int) -> None:
    """Run it once small, so that what is made once only is made, and then in full."""
    run = _run_ours if whose == "ours" else run_plain_program
    if whose == "ours":
        gc.disable()  # as the program's entry does
    run(3)
    began_s = time.process_time()
    run(count)
    took_s = time.process_time() - began_s
    status = Path("/proc/self/status").read_text("utf-8").splitlines()
    print(took_s, next(line.split()[1] for line in status if line.startswith("VmHWM")))


def _run_ours(count: int) -> None:
    fleet = {f"node-{number:04d}": _MACHINE for number in range(count)}
    with pytest.MonkeyPatch.context() as patch:
        made = run_program(patch, small_config(fleet, budget={"limit": "$1,000,000/day"}))
    if made.kinds().get("Instance") != count:
        raise RuntimeError(f"of {count} machines there are {made.kinds()}: {made.errors}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
