"""A history for a Prometheus that has just begun: hours of series, and what rules would have recorded."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.monitoring.prometheus import data_folder, prometheus

__all__ = ["backfill"]


def backfill(
    folder: Path,
    openmetrics: Path,
    *,
    recordings: Mapping[str, Any] | None = None,
    start_s: float = 0.0,
    end_s: float = 0.0,
    step_s: int = 60,
) -> None:
    """Give the server of this folder, which does not run now, a history.

    Args:
        openmetrics: a file with timestamps that ends in `# EOF`.
        recordings: a rule file whose recorded series are computed over the history from start_s to end_s.
            Rules that ask for recorded series see them: those are made pass by pass.
        step_s: seconds between two evaluations.
    """
    data = data_folder(folder)
    data.mkdir(parents=True, exist_ok=True)
    _promtool("create-blocks-from", "openmetrics", str(openmetrics), str(data))
    passes = _passes(recordings) if recordings is not None else []
    for number, rules in enumerate(passes):
        file, made = folder / f"backfill-{number}.json", folder / f"backfill-{number}"
        file.write_text(json.dumps(rules), encoding="utf-8")
        with prometheus(folder) as server:
            _promtool(
                *("create-blocks-from", "rules", f"--url={server.url}", f"--output-dir={made}"),
                *(f"--start={start_s:.0f}", f"--end={end_s:.0f}", f"--eval-interval={step_s}s", str(file)),
            )
        for block in made.iterdir():
            shutil.move(block, data / block.name)


def _passes(rule_file: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Recording rules in passes, each of which asks only for what the passes before it recorded."""
    left = [rule for group in rule_file["groups"] for rule in group["rules"] if "record" in rule]
    passes: list[dict[str, Any]] = []
    while left:
        waiting = {rule["record"] for rule in left}
        ready = [rule for rule in left if not any(name in rule["expr"] for name in waiting)]
        if not ready:
            raise ValueError(f"recording rules that ask for each other: {sorted(waiting)}")
        passes.append({"groups": [{"name": f"pass-{len(passes)}", "rules": ready}]})
        left = [rule for rule in left if rule not in ready]
    return passes


def _promtool(*arguments: str) -> None:
    result = subprocess.run(["promtool", "tsdb", *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"promtool tsdb {' '.join(arguments)}\n{result.stdout}\n{result.stderr}"
