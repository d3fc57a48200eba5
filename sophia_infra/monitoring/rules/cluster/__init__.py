"""Rules: cluster."""

from __future__ import annotations

from sophia_infra.monitoring.rule import RuleGroup
from sophia_infra.monitoring.terms import Terms

__all__ = ["groups"]


def groups(_terms: Terms) -> tuple[RuleGroup, ...]:
    """Every group, in order."""
    return ()
