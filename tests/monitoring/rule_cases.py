"""Cases for alerts: series in, and which alarms fire at a moment. promtool is the judge.

promtool evaluates the real rules over virtual time.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from sophia_infra.model.stack_config import load_stack_config
from sophia_infra.monitoring.rules import all_alerts, rule_file
from sophia_infra.monitoring.terms import Terms, terms_of
from tests.monitoring.needed_rules import needed_rules

CHECKOUT = Path(__file__).resolve().parents[2]


@cache
def local_terms() -> Terms:
    """The terms of the tracked stack `local`."""
    return terms_of(load_stack_config(CHECKOUT / "Pulumi.local.yaml"), "sophia-infra/local")


@dataclass(frozen=True)
class Case:
    """One moment of one alert.

    Attributes:
        alert: its name.
        name: what the case shows, for the reader.
        series: series -> values in promtool's notation ("0+12x120", "1x60 _x10").
        at_s: seconds after the first sample.
        fires: labels of each alarm that fires then, without alertname, severity, owner and the alert's own
            labels; empty: it must not fire.
        step_s: seconds between two samples, and between two evaluations.
    """

    alert: str
    name: str
    series: Mapping[str, str]
    at_s: int
    fires: Sequence[Mapping[str, str]] = ()
    step_s: int = 60
    terms: Terms = field(default_factory=local_terms)


@dataclass(frozen=True)
class Recorded:
    """What a recording rule, or any expression, gives at a moment: labels (with __name__) -> value."""

    name: str
    expr: str
    series: Mapping[str, str]
    at_s: int
    gives: Sequence[tuple[str, float]]
    step_s: int = 60
    terms: Terms = field(default_factory=local_terms)


def judge(cases: Iterable[Case | Recorded], folder: Path) -> None:
    """Run promtool over the cases of each alert or expression. Fails with promtool's own words.

    The rule file is cut down to what the cases read: the whole one takes fifty times as long.
    """
    groups: dict[tuple[int, int, str], list[Case | Recorded]] = {}
    for case in cases:
        subject = case.expr if isinstance(case, Recorded) else case.alert
        groups.setdefault((id(case.terms), case.step_s, subject), []).append(case)
    for number, ((_terms, step_s, subject), group) in enumerate(groups.items()):
        alerts, exprs = ([], [subject]) if isinstance(group[0], Recorded) else ([subject], [])
        rules = folder / f"rules-{number}.yaml"
        needed = needed_rules(rule_file(group[0].terms), alerts, exprs)
        rules.write_text(json.dumps(needed), encoding="utf-8")
        tests = folder / f"tests-{number}.yaml"
        document = {
            "rule_files": [rules.name],
            "evaluation_interval": f"{step_s}s",
            "tests": [_test(case) for case in group],
        }
        tests.write_text(json.dumps(document), encoding="utf-8")
        result = subprocess.run(
            ["promtool", "test", "rules", tests.name], cwd=folder, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"


def _test(case: Case | Recorded) -> dict[str, Any]:
    series = [{"series": name, "values": values} for name, values in case.series.items()]
    if isinstance(case, Recorded):
        asked: dict[str, Any] = {
            "expr": case.expr,
            "eval_time": f"{case.at_s}s",
            "exp_samples": [{"labels": labels, "value": value} for labels, value in case.gives],
        }
    else:
        alert = all_alerts(case.terms)[case.alert]
        own = {"severity": alert.severity, "owner": alert.owner, **alert.labels}
        fixed = {"alertname": alert.name, "alertstate": "firing"}
        asked = {
            "expr": f'ALERTS{{alertname="{alert.name}",alertstate="firing"}}',
            "eval_time": f"{case.at_s}s",
            "exp_samples": [
                {"labels": _selector("ALERTS", {**own, **labels, **fixed}), "value": 1}
                for labels in case.fires
            ],
        }
    name = case.name if isinstance(case, Recorded) else f"{case.alert}: {case.name}"
    return {
        "name": name,
        "interval": f"{case.step_s}s",
        "input_series": series,
        "promql_expr_test": [asked],
    }


def _selector(name: str, labels: Mapping[str, str]) -> str:
    return f"{name}{{{','.join(f'{key}={json.dumps(value)}' for key, value in sorted(labels.items()))}}}"
