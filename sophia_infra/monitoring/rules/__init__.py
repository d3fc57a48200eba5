"""All rules of a stack: pure functions from its terms to groups of rules."""

from __future__ import annotations

from typing import Any

from sophia_infra.monitoring.rule import Alert, RuleGroup
from sophia_infra.monitoring.rules import cluster, fleet
from sophia_infra.monitoring.terms import Terms

__all__ = ["all_alerts", "all_rules", "rule_file"]


def all_rules(terms: Terms) -> tuple[RuleGroup, ...]:
    """Every group: dollars, inference and objectives first, then what runs in the clusters."""
    return (*fleet.groups(terms), *cluster.groups(terms))


def all_alerts(terms: Terms) -> dict[str, Alert]:
    """Name -> alert, of every group."""
    return {alert.name: alert for group in all_rules(terms) for alert in group.alerts}


def rule_file(terms: Terms) -> dict[str, Any]:
    """A rule file of Prometheus as plain data; also the spec of a PrometheusRule."""
    url = terms.config.runbooks_url
    return {"groups": [group.as_prometheus(url) for group in all_rules(terms)]}
