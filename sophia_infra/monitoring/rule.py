"""Rules as data: what Prometheus records and what it raises an alarm about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

__all__ = ["Alert", "Recording", "Rule", "RuleGroup", "Severity", "duration", "runbook_anchor"]

Severity = Literal["critical", "warning", "info"]
"""critical: somebody is woken. warning: somebody looks today. info: shown, and held back from people."""

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def duration(seconds: int) -> str:
    """Seconds as PromQL writes them, in the largest unit that divides them: 5400 is "90m"."""
    if seconds <= 0:
        return "0s"
    return next(f"{seconds // size}{unit}" for unit, size in _UNITS if seconds % size == 0)


def runbook_anchor(alert: str) -> str:
    """Anchor of the heading `## <alert>` as Markdown renderers make it."""
    return re.sub(r"[^a-z0-9-]", "", alert.lower())


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded series.

    Attributes:
        record: `level:metric:operation`, as Prometheus' own naming has it.
        expr: PromQL of Prometheus 2.42, which version 3 reads as well.
        labels: added to every series.
    """

    record: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def as_prometheus(self, _runbooks_url: str) -> dict[str, Any]:
        """As a rule file has it."""
        rule: dict[str, Any] = {"record": self.record, "expr": self.expr}
        return {**rule, "labels": dict(self.labels)} if self.labels else rule


@dataclass(frozen=True, slots=True)
class Alert:
    """One alarm.

    Attributes:
        name: unique; also the heading of its runbook in docs/runbooks.md.
        expr: PromQL; every series that it returns is an alarm.
        for_s: seconds that it has to hold; 0 fires at once.
        severity: who hears of it.
        owner: team, as in the workload table.
        summary: one sentence with the figures, dollars among them where there are any; Go template.
        description: why it matters and the first thing to do; Go template.
        labels: added to every alarm beside severity and owner.
        keep_firing_s: seconds that it stays after the expression ended, against flapping.
    """

    name: str
    expr: str
    for_s: int
    severity: Severity
    owner: str
    summary: str
    description: str
    labels: Mapping[str, str] = field(default_factory=dict)
    keep_firing_s: int = 0

    def as_prometheus(self, runbooks_url: str) -> dict[str, Any]:
        """As a rule file has it."""
        rule: dict[str, Any] = {"alert": self.name, "expr": self.expr}
        if self.for_s:
            rule["for"] = duration(self.for_s)
        if self.keep_firing_s:
            rule["keep_firing_for"] = duration(self.keep_firing_s)
        rule["labels"] = {"severity": self.severity, "owner": self.owner, **self.labels}
        rule["annotations"] = {
            "summary": self.summary,
            "description": self.description,
            "runbook_url": f"{runbooks_url}#{runbook_anchor(self.name)}",
        }
        return rule


Rule = Alert | Recording


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that are evaluated together, in their order.

    Attributes:
        name: unique in the stack.
        interval_s: seconds between two evaluations; None: Prometheus' own.
    """

    name: str
    rules: tuple[Rule, ...]
    interval_s: int | None = None

    @property
    def alerts(self) -> tuple[Alert, ...]:
        return tuple(rule for rule in self.rules if isinstance(rule, Alert))

    def as_prometheus(self, runbooks_url: str) -> dict[str, Any]:
        """As a rule file, and as the spec of a PrometheusRule, has it."""
        group: dict[str, Any] = {"name": self.name}
        if self.interval_s is not None:
            group["interval"] = duration(self.interval_s)
        return {**group, "rules": [rule.as_prometheus(runbooks_url) for rule in self.rules]}
