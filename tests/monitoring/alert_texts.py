"""What alarms say: promtool fills their templates in."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sophia_infra.monitoring.rules import all_alerts, rule_file
from sophia_infra.monitoring.terms import Terms
from tests.monitoring.needed_rules import needed_rules
from tests.monitoring.rule_cases import local_terms

__all__ = ["Text", "judge_texts"]


@dataclass(frozen=True)
class Text:
    """The summary of one alarm at a moment.

    Attributes:
        labels: of the alarm, without severity and owner.
        description: filled in; None where it is a constant.
        also: names of other alerts whose series the text asks for.
    """

    alert: str
    series: Mapping[str, str]
    at_s: int
    summary: str
    labels: Mapping[str, str] = field(default_factory=dict)
    description: str | None = None
    also: Sequence[str] = ()
    terms: Terms = field(default_factory=local_terms)


def judge_texts(texts: Sequence[Text], folder: Path) -> None:
    """Run promtool. Fails with its words: what it expected and what it got."""
    whole = rule_file(texts[0].terms)
    alerts = {name for text in texts for name in (text.alert, *text.also)}
    asked = [
        query
        for name in alerts
        for text in all_alerts(texts[0].terms)[name].as_prometheus("")["annotations"].values()
        for query in re.findall("`([^`]*)`", text)
        if "(" in query or ":" in query
    ]
    (folder / "rules.yaml").write_text(json.dumps(needed_rules(whole, alerts, asked)), encoding="utf-8")
    document = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "60s",
        "tests": [_test(text) for text in texts],
    }
    (folder / "tests.yaml").write_text(json.dumps(document), encoding="utf-8")
    result = subprocess.run(
        ["promtool", "test", "rules", "tests.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"


def _test(text: Text) -> dict[str, Any]:
    alert = all_alerts(text.terms)[text.alert]
    written = alert.as_prometheus(text.terms.config.runbooks_url)
    annotations = {**written["annotations"], "summary": text.summary}
    if text.description is not None:
        annotations["description"] = text.description
    expected = {"exp_labels": {**written["labels"], **text.labels}, "exp_annotations": annotations}
    return {
        "name": text.alert,
        "interval": "60s",
        "input_series": [{"series": name, "values": values} for name, values in text.series.items()],
        "alert_rule_test": [
            {"eval_time": f"{text.at_s}s", "alertname": text.alert, "exp_alerts": [expected]}
        ],
    }
