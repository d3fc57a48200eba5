"""`python -m sophia_infra.scaling`: measure forecasts, policies and queues; write docs/scaling.md's tables.

accuracy [SHAPE ...]     errors on held-out weeks of generated loads
replay                   four weeks on the emulator in virtual time, one row a policy
latency                  up to which load 200 ms hold
docs FILE                all three, written between their marks in FILE
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from sophia_infra.scaling.accuracy import measure_accuracy
from sophia_infra.scaling.errors import ScalingError, SettingsRefused
from sophia_infra.scaling.replay import POLICIES, PolicyName, Replay, ReplayResult, replay
from sophia_infra.scaling.tables import accuracy_table, latency_table, measure_load_limits, replay_table
from sophia_infra.scaling.traces import SHAPES

__all__ = ["DRY", "GATEWAY_OVERHEAD_S", "STEADY", "main", "replace_table"]

GATEWAY_OVERHEAD_S: Final = 0.005
"""Added to every call in the latency table: what `make bench` allows the gateway, p95."""

STEADY: Final = Replay()
DRY: Final = Replay(dry_spells_per_week=8, unhealthy_share=0.05)
_DRY_POLICIES: Final[tuple[PolicyName, ...]] = ("reactive", "reactive + spare", "predictive")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0; 64 when an argument cannot be."""
    parser = argparse.ArgumentParser(prog="python -m sophia_infra.scaling", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    accuracy = commands.add_parser("accuracy")
    accuracy.add_argument("shapes", nargs="*", metavar="SHAPE", default=[])
    accuracy.add_argument("--seed", type=int, default=0)
    for name in ("replay", "latency"):
        commands.add_parser(name)
    commands.add_parser("docs").add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    try:
        if options.command == "accuracy":
            print(_accuracy(options.shapes or list(SHAPES), options.seed))
        elif options.command == "docs":
            text = options.file.read_text(encoding="utf-8")
            for name, measure in _TABLES.items():
                text = replace_table(text, name, measure())
            options.file.write_text(text, encoding="utf-8")
        else:
            print("\n\n".join(_TABLES[name]() for name in _TABLES if name.startswith(options.command)))
    except ScalingError as error:
        print(f"sophia: {error}", file=sys.stderr)
        return 64
    return 0


def replace_table(text: str, name: str, table: str) -> str:
    """`text` with the table between the marks of `name`. Raises SettingsRefused: no such marks."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise SettingsRefused(
            f"The file has no place for the table {name}.", next_step=f"put {begin} and {end} there, once."
        )
    return text[: text.index(begin) + len(begin)] + f"\n{table}\n" + text[text.index(end) :]


def _accuracy(shapes: Sequence[str], seed: int) -> str:
    results = []
    for shape in shapes:
        print(f"measuring {shape} ...", file=sys.stderr, flush=True)
        results.append(measure_accuracy(shape, seed=seed))
    return accuracy_table(results)


def _replays(settings: Replay, policies: Sequence[PolicyName]) -> str:
    results: list[ReplayResult] = []
    for policy in policies:
        print(f"replaying {policy} ...", file=sys.stderr, flush=True)
        results.append(replay(settings, policy))
    return replay_table(results)


_TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "accuracy": lambda: _accuracy(list(SHAPES), 0),
    "replay": lambda: _replays(STEADY, POLICIES),
    "replay-dry": lambda: _replays(DRY, _DRY_POLICIES),
    "latency": lambda: latency_table(measure_load_limits(GATEWAY_OVERHEAD_S)),
}

if __name__ == "__main__":
    sys.exit(main())
