"""Rules about dollars, inference, objectives, the exporter and monitoring itself."""

from __future__ import annotations

from sophia_infra.monitoring.rule import RuleGroup
from sophia_infra.monitoring.rules.fleet import (
    allocation,
    exporter,
    forecast,
    inference,
    inference_backends,
    machines,
    money,
    self_watch,
    slo,
)
from sophia_infra.monitoring.terms import Terms

__all__ = ["groups"]

_SUBJECTS = (money, machines, inference, inference_backends, slo, exporter, self_watch, forecast, allocation)


def groups(terms: Terms) -> tuple[RuleGroup, ...]:
    """Every group. What an alarm reads is recorded in its own group, before it, wherever a minute matters."""
    return tuple(group for subject in _SUBJECTS for group in subject.groups(terms))
