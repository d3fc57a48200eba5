"""Pieces that the rules about clusters share: owners, dollars of nodes, and which pods are whose."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from sophia_infra.monitoring.terms import Service, Terms

__all__ = [
    "DOLLARS",
    "NODE_USD",
    "OF_THE_ROW",
    "PLATFORM",
    "chosen",
    "either",
    "pods_of",
    "service_of_pod",
    "with_owner",
    "with_owner_of_pod",
]

PLATFORM: Final = "platform"
"""Owner of what is nobody's row."""

OF_THE_ROW: Final = {"owner": "{{ $labels.owner }}"}
"""Labels of an alert whose expression went through `with_owner`: the team of the row that it is about."""

NODE_USD: Final = "max by (node, instance_type, gpu_model) (lambda_node_usd_per_hour)"
"""Dollars an hour of each node. Aggregated: two exporters may overlap for minutes when one is replaced."""

DOLLARS: Final = '${{ printf "%.2f" $value }}'

_REPLICA_PODS: Final = "[a-z0-9]{1,10}-[a-z0-9]{5}|[0-9]+"
"""What follows the name of a Deployment or StatefulSet in the names of its pods."""

_SIDE_PODS: Final = "(backup|restore|sentinel)-.+"


def chosen(services: Iterable[Service]) -> str:
    """Regular expression that matches exactly their names."""
    return "|".join(sorted(re.escape(service.name).replace(r"\-", "-") for service in services))


def either(*parts: str) -> str:
    """Series of the first expression, and of the next those whose labels are new."""
    return "\nor\n".join(parts)


def pods_of(services: Iterable[Service]) -> str:
    """Matcher of their pods."""
    return f'pod=~"({chosen(services)})-({_REPLICA_PODS})"'


def service_of_pod(expr: str, services: Iterable[Service]) -> str:
    """`expr` over such pods with `service`, read from their names."""
    pattern = f"({chosen(services)})-({_REPLICA_PODS})"
    return f'label_replace({expr}, "service", "$1", "pod", "{pattern}")'


def with_owner(expr: str, terms: Terms, label: str = "service") -> str:
    """`expr` with `owner`: the team of the row that `label` names, or the platform's."""
    return _with_owner(expr, terms, label, "")


def with_owner_of_pod(expr: str, terms: Terms) -> str:
    """`expr` with `owner`, by the names of pods."""
    return _with_owner(expr, terms, "pod", f"-({_REPLICA_PODS}|{_SIDE_PODS})")


def _with_owner(expr: str, terms: Terms, label: str, behind: str) -> str:
    rows: dict[str, list[Service]] = {}
    for service in terms.services:
        rows.setdefault(service.team, []).append(service)
    made = f'label_replace({expr}, "owner", "{PLATFORM}", "", "")'
    for team, services in sorted(rows.items()):
        if team != PLATFORM:
            made = f'label_replace({made}, "owner", "{team}", "{label}", "({chosen(services)}){behind}")'
    return made
