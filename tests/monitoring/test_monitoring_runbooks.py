"""docs/runbooks.md has a section for every alarm, where its runbook_url points, and none for others."""

from __future__ import annotations

import re

from sophia_infra.monitoring.rule import runbook_anchor
from sophia_infra.monitoring.rules import all_alerts
from tests.monitoring.cluster_cases import cluster_terms
from tests.monitoring.rule_cases import CHECKOUT, local_terms

_MOST_LINES = 16


def _sections() -> dict[str, str]:
    text = (CHECKOUT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return {part.split("\n", 1)[0].strip(): part.split("\n", 1)[1].strip() for part in parts}


def _alarms() -> set[str]:
    """Of stack local, and of one with every part on."""
    return set(all_alerts(local_terms())) | set(all_alerts(cluster_terms()))


def test_every_alarm_has_a_runbook() -> None:
    assert sorted(_alarms() - set(_sections())) == []


def test_no_runbook_is_about_an_alarm_that_is_gone() -> None:
    # Headings that are one word in capitals and small letters are names of alarms.
    named = {name for name in _sections() if re.fullmatch(r"(?:[A-Z][a-z0-9]+){2,}", name)}
    assert sorted(named - _alarms()) == []


def test_runbooks_are_short_and_say_what_to_run() -> None:
    alarms = _alarms()
    sections = {name: text for name, text in _sections().items() if name in alarms}
    assert [name for name, text in sections.items() if len(text.splitlines()) > _MOST_LINES] == []
    assert [name for name, text in sections.items() if "`" not in text] == []


def test_anchors_are_unique() -> None:
    anchors = [runbook_anchor(name) for name in _alarms()]
    assert len(anchors) == len(set(anchors))
