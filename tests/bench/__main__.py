"""`python -m tests.bench`: measure against the budgets of peers.md 4.3 and print both.

Every figure is the least of several tries: on a machine that does other work as well, more is noise.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console

from tests.bench.figures import Figure, Skipped, as_document, show


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0; with `--strict` 1 when a budget is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure against the budgets.")
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    parser.add_argument("--quick", action="store_true", help="fewer tries, and not the sixty machines")
    parser.add_argument("--strict", action="store_true", help="exit code 1 when a figure is over its budget")
    parser.add_argument("--only", metavar="TEXT", default="", help="only the groups whose name contains TEXT")
    options = parser.parse_args(arguments)
    figures: list[Figure | Skipped] = []
    for name, measure in _groups(quick=options.quick):
        if options.only in name:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            figures += measure()
    if options.json:
        print(json.dumps(as_document(figures), indent=2))
    else:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = 200
        show(console, figures)
    over = any(figure.verdict == "OVER" for figure in figures)
    return 1 if options.strict and over else 0


def _groups(*, quick: bool) -> Iterator[tuple[str, Callable[[], Sequence[Figure | Skipped]]]]:
    from . import (
        exporter,
        fresh_process,
        in_process,
        inference,
        native,
        on_cluster,
        on_engine,
        scaling,
        thousand,
    )

    tries = 3 if quick else 7
    yield "import", lambda: fresh_process.measure_import(tries)
    yield "command", lambda: fresh_process.measure_command(tries)
    yield "stack file", lambda: in_process.measure_stack_file(tries)
    yield "program", lambda: in_process.measure_program(tries)
    yield "emulator", lambda: fresh_process.measure_emulator(3 if quick else 10)
    yield "refresh", in_process.measure_refresh
    yield "thousand", lambda: thousand.measure_thousand(1 if quick else 3)
    yield "launch", in_process.measure_launch
    yield "cost", in_process.measure_cost
    yield "gateway", lambda: inference.measure_gateway(1 if quick else 4)
    yield "first token", inference.measure_gateway_first_token
    yield "exporter", exporter.measure_exporter
    yield "forecast", lambda: scaling.measure_forecast(tries)
    yield "replay", scaling.measure_replay
    yield "engine", lambda: on_engine.measure_engine(1 if quick else 3, many=not quick)
    yield "platform program", lambda: on_cluster.measure_platform_program(tries)
    yield "cluster", lambda: on_cluster.measure_platform(1 if quick else 3)
    if not quick:
        yield "preview growth", lambda: thousand.measure_thousand_on_engine(2)
        yield "policies", on_engine.measure_policies
        yield "provider A/B", lambda: native.measure_native(3)


if __name__ == "__main__":
    sys.exit(main())
