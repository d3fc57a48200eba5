"""The part of a rule file that some cases need.

promtool parses every expression of a file at every step of every case, so that a case of two hours against
all rules of a stack takes four seconds. Which groups a rule needs follows from the names that it reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from tests.monitoring.rule_cases import Case, Recorded

__all__ = ["needed_by"]

_RECORDED: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*:[a-zA-Z0-9_:]+")


def needed_by(cases: Iterable[Case | Recorded], document: Mapping[str, Any]) -> dict[str, Any]:
    """The groups of a rule file with the rules of these cases, and with all that they read, in order."""
    wanted: set[str] = set()
    for case in cases:
        wanted |= {case.alert} if isinstance(case, Case) else set(_RECORDED.findall(case.expr))
    kept: set[str] = set()
    while True:
        groups = [group for group in document["groups"] if wanted & _names(group)]
        for group in groups:
            wanted |= {name for rule in group["rules"] for name in _RECORDED.findall(rule["expr"])}
        if {group["name"] for group in groups} == kept:
            return {**document, "groups": groups}
        kept = {group["name"] for group in groups}


def _names(group: Mapping[str, Any]) -> set[str]:
    return {rule.get("alert") or rule["record"] for rule in group["rules"]}
