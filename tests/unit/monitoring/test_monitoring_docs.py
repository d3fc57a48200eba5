"""docs/monitoring.md says what the model says."""

from __future__ import annotations

from sophia_infra.monitoring.docs import DOCS_FILE, written
from sophia_infra.monitoring.rules import all_alerts
from tests.monitoring.rule_cases import local_terms


def test_the_written_parts_are_those_of_stack_local() -> None:
    text = DOCS_FILE.read_text(encoding="utf-8")
    assert written(text, local_terms()) == text, "run python -m sophia_infra.monitoring.docs"


def test_every_alert_is_listed_with_its_runbook() -> None:
    text = DOCS_FILE.read_text(encoding="utf-8")
    for name, alert in all_alerts(local_terms()).items():
        assert f"[{name}](runbooks.md#{name.lower()}) | {alert.severity} |" in text


def test_writing_twice_changes_nothing() -> None:
    once = written(DOCS_FILE.read_text(encoding="utf-8"), local_terms())
    assert written(once, local_terms()) == once
