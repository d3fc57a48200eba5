"""Rules sixty times faster say the same about series sixty times faster: promtool is the judge."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sophia_infra.monitoring.rules import rule_file
from tests.monitoring.rule_cases import local_terms
from tests.monitoring.scaled_rules import scaled

_FACTOR = 60
_MINUTES = 90
_RULES = {
    "groups": [
        {
            "name": "all that has to do with time",
            "rules": [
                {"record": "cost:usd:increase10m", "expr": "increase(cost_usd_total[10m])"},
                {"alert": "Spent", "expr": "cost:usd:increase10m > 2", "for": "7m"},
                {"alert": "Fast", "expr": "rate(cost_usd_total[5m]) > 0.004", "keep_firing_for": "4m"},
                {"alert": "Higher", "expr": "level > 1.5 * (level offset 9m)"},
                {"alert": "High", "expr": "avg_over_time(level[12m:3m]) > 20"},
                {"alert": "FullSoon", "expr": "predict_linear(level[15m], 2 * 3600) > 60"},
                {"alert": "Late", "expr": "time() - seen_seconds > 900", "for": "2m"},
            ],
        }
    ]
}
_ALERTS = ("Spent", "Fast", "Higher", "High", "FullSoon", "Late")

REWRITTEN = {
    # The age of a copy against the time between two of them, which goes faster too.
    "BackupTooOld": {"7200": "7200 / 60"},
}
"""What has to be rewritten of our own rules: they compare ages with more than a number."""

_MINUTES_OF_DATA = st.lists(st.integers(0, 40), min_size=_MINUTES, max_size=_MINUTES)
_EVENTFUL = {
    "levels": [minute // 3 for minute in range(_MINUTES)],
    "costs": [5 if 20 <= minute < 60 else 0 for minute in range(_MINUTES)],
    "seen": [min(minute, 40) for minute in range(_MINUTES)],
}
"""A level that rises, forty minutes of spending, something that is not seen any more."""


def alarms(
    folder: Path, rules: Mapping[str, Any], series: list[dict[str, str]], step_s: int
) -> list[tuple[float, str]]:
    """(minute, alarms then) wherever there are any: promtool is asked every third minute and told of none."""
    (folder / "rules.json").write_text(json.dumps(rules), encoding="utf-8")
    asked = [
        {"expr": "ALERTS", "eval_time": f"{minute * step_s}s", "exp_samples": []}
        for minute in range(0, _MINUTES, 3)
    ]
    document = {
        "rule_files": ["rules.json"],
        "evaluation_interval": f"{step_s}s",
        "tests": [{"interval": f"{step_s}s", "input_series": series, "promql_expr_test": asked}],
    }
    (folder / "tests.json").write_text(json.dumps(document), encoding="utf-8")
    result = subprocess.run(
        ["promtool", "test", "rules", "tests.json"], cwd=folder, capture_output=True, text=True, check=False
    )
    said = result.stdout + result.stderr
    found = re.findall(r"time: (\w+),\n.*\n\s+got: (.*)", said)
    assert found or result.returncode == 0, said
    return [(seconds_of(at) / step_s, which) for at, which in found]


def seconds_of(text: str) -> float:
    """Seconds of Go's "1h3m0s"."""
    sizes = {"h": 3600, "m": 60, "s": 1}
    return sum(float(number) * sizes[unit] for number, unit in re.findall(r"(\d+)([hms])", text))


def in_both_worlds(
    folder: Path, levels: list[int], costs: list[int], seen: list[int]
) -> tuple[list[tuple[float, str]], list[tuple[float, str]]]:
    """Alarms of a world with a sample a minute, and of one with a sample a second."""
    spent = [sum(costs[: minute + 1]) * 0.1 for minute in range(_MINUTES)]

    def series(step_s: int) -> list[dict[str, str]]:
        columns = {
            "cost_usd_total": spent,
            "level": [float(level) for level in levels],
            "seen_seconds": [max(0, minute - seen[minute]) * float(step_s) for minute in range(_MINUTES)],
        }
        return [
            {"series": name, "values": " ".join(f"{number:.6f}" for number in numbers)}
            for name, numbers in columns.items()
        ]

    fast_rules = scaled(_RULES, _FACTOR)
    return alarms(folder, _RULES, series(60), 60), alarms(folder, fast_rules, series(1), 1)


@pytest.mark.slow
@settings(max_examples=20, phases=(Phase.explicit, Phase.generate), derandomize=True)
@given(levels=_MINUTES_OF_DATA, costs=_MINUTES_OF_DATA, seen=_MINUTES_OF_DATA)
def test_the_same_alarms_at_the_same_share_of_time(
    tmp_path_factory: pytest.TempPathFactory, levels: list[int], costs: list[int], seen: list[int]
) -> None:
    """Two seconds of promtool. Buys: what a fast world says about a slow one can be believed."""
    slow, fast = in_both_worlds(tmp_path_factory.mktemp("worlds"), levels, costs, seen)
    assert slow == fast


def test_every_alarm_of_the_comparison_has_its_time(tmp_path: Path) -> None:
    slow, fast = in_both_worlds(tmp_path, **_EVENTFUL)
    assert slow == fast
    assert {name for _, which in slow for name in re.findall('alertname="(.+?)"', which)} == set(_ALERTS)


@pytest.mark.slow
def test_all_rules_of_the_stack_can_go_faster(tmp_path: Path) -> None:
    """A second of promtool. Buys: no rule of ours is in the way of an end-to-end test in minutes."""
    made = scaled(rule_file(local_terms()), _FACTOR, rewrite=REWRITTEN)
    (tmp_path / "rules.json").write_text(json.dumps(made), encoding="utf-8")
    result = subprocess.run(
        ["promtool", "check", "rules", "rules.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
