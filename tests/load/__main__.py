"""`python -m tests.load`: the loads at full size, and a table of what was found.

    python -m tests.load --requests 100000 --kills 20 --streams 2000

Exit code 0 when every line is right.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.load.books import Line
from tests.load.scenarios import Measured, load_with_faults, load_with_kills
from tests.load.streams import Streams, hold_streams

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the loads that were asked for; a size of 0 leaves one out."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description="Load the gateway.")
    parser.add_argument("--requests", type=int, default=100_000, help="calls with 5 %% faults (100000)")
    parser.add_argument("--kills", type=int, default=20, help="SIGKILLs of the gateway under load (20)")
    parser.add_argument("--streams", type=int, default=2_000, help="streams open at once (2000)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="sophia-load-") as folder:
        if options.requests:
            measured = load_with_faults(_new(folder, "faults"), options.requests, seed=options.seed)
            wrong += _show(console, f"{options.requests:,} calls, 5 % faults", measured.lines)
            _show_speed(console, measured)
        if options.kills:
            measured = load_with_kills(_new(folder, "kills"), options.kills, seed=options.seed)
            wrong += _show(console, f"{options.kills} SIGKILLs of the gateway under load", measured.lines)
            console.print(f"{measured.took_s:.0f} s\n")
        if options.streams:
            streams = hold_streams(_new(folder, "streams"), options.streams)
            wrong += _show(console, f"{options.streams:,} streams", streams.lines)
            _show_streams(console, streams)
    return 1 if wrong else 0


def _new(folder: str, name: str) -> Path:
    path = Path(folder) / name
    path.mkdir()
    return path


def _show(console: Console, title: str, lines: Sequence[Line]) -> int:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    table.add_column("found", justify="right")
    table.add_column("wanted", justify="right")
    table.add_column("")
    for line in lines:
        wanted = "" if line.wanted is None else f"{line.wanted:,}"
        verdict = "" if line.wanted is None else "ok" if line.is_right else "[bold red]WRONG[/]"
        table.add_row(line.what, f"{line.found:,}", wanted, verdict)
    console.print(table)
    return sum(1 for line in lines if not line.is_right)


def _show_speed(console: Console, measured: Measured) -> None:
    latencies_s = sorted(told.took_s for told in measured.told)
    count = len(latencies_s)
    p50_s, p95_s, p99_s = (latencies_s[int(count * share)] for share in (0.5, 0.95, 0.99))
    memory_mib = measured.memory_mib
    console.print(
        f"{measured.took_s:.0f} s, {count / measured.took_s:.0f} calls/s; latency p50 {p50_s * 1000:.0f} ms, "
        f"p95 {p95_s * 1000:.0f} ms, p99 {p99_s * 1000:.0f} ms with the tries that failed; "
        f"gateway {measured.gateway_cpu_s / count * 1000:.2f} ms of processor a call"
    )
    tenths = [memory_mib[len(memory_mib) * tenth // 10] for tenth in range(10)] + [memory_mib[-1]]
    console.print(f"gateway memory, MiB: {' '.join(f'{mib:.0f}' for mib in tenths)}\n")


def _show_streams(console: Console, streams: Streams) -> None:
    before_mib, open_mib = streams.memory_mib
    console.print(
        f"{streams.open_at_once:,} open at once, {streams.took_s:.0f} s; "
        f"gateway memory {before_mib:.0f} MiB before, {open_mib:.0f} MiB with all open"
    )


if __name__ == "__main__":
    sys.exit(main())
