"""docs/runbooks.md has a section for every alarm, where its runbook_url points, and none for others."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

from sophia_infra.monitoring.rule import runbook_anchor
from sophia_infra.monitoring.rules import all_alerts
from tests.monitoring.cluster_cases import cluster_terms
from tests.monitoring.rule_cases import CHECKOUT, local_terms

_MOST_LINES = 16
_COMMAND = re.compile(r"`(sophia [a-z][^`]*)`")


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


def test_runbooks_are_short() -> None:
    alarms = _alarms()
    long = {name: len(text.splitlines()) for name, text in _sections().items() if name in alarms}
    assert {name: lines for name, lines in long.items() if lines > _MOST_LINES} == {}


def test_commands_of_sophia_that_runbooks_name_exist() -> None:
    named = {match for text in _sections().values() for match in _COMMAND.findall(text)}
    assert named, "no runbook names a command"
    assert sorted(line for line in named if not _exists(line.split()[1:])) == []


def _exists(words: list[str]) -> bool:
    """Whether the words lead to a command, by its own help, and its options are its own."""
    path = list(itertools.takewhile(lambda word: re.fullmatch("[a-z][a-z-]*", word), words))
    options = {word for word in words if word.startswith("--")}
    shown = subprocess.run(
        [Path(sys.executable).with_name("sophia"), *path, "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    return shown.returncode == 0 and all(option in shown.stdout for option in options)


def test_a_command_that_is_none_is_seen() -> None:
    assert _exists(["doctor", "--terminate", "ID"])
    assert not _exists(["doctor", "--termnate", "ID"])
    assert not _exists(["docter"])


def test_anchors_are_unique() -> None:
    anchors = [runbook_anchor(name) for name in _alarms()]
    assert len(anchors) == len(set(anchors))
