"""Rules about what runs in the clusters: machines, pods, services, databases, copies, dates."""

from __future__ import annotations

from sophia_infra.monitoring.rule import RuleGroup
from sophia_infra.monitoring.rules.cluster import (
    autoscaling,
    backups,
    certificates,
    control_plane,
    disks,
    gpu,
    jobs,
    models,
    nodes,
    pods,
    quotas,
    routes,
    services,
    stores,
    workflows,
)
from sophia_infra.monitoring.terms import Terms

__all__ = ["groups"]

_SUBJECTS = (
    gpu,
    nodes,
    disks,
    pods,
    jobs,
    autoscaling,
    services,
    models,
    workflows,
    routes,
    stores,
    backups,
    certificates,
    quotas,
    control_plane,
)


def groups(terms: Terms) -> tuple[RuleGroup, ...]:
    """Every group, in order; what the stack lacks is left out."""
    return tuple(group for subject in _SUBJECTS for group in subject.groups(terms))
