"""All rules, in the order of the docs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sophia_policies import (
    allocation,
    architecture,
    budget,
    charts,
    gpu_capacity,
    images,
    labels,
    network,
    placement,
    pods,
    prices,
    protection,
    quotas,
    secrets,
    tags,
    training,
    waiver_rules,
)
from sophia_policies.rule import ResourceRule, StackRule

__all__ = ["CONCERNS", "NOT_WAIVABLE", "RULES", "RULES_BY_NAME"]

CONCERNS: Mapping[str, tuple[ResourceRule | StackRule, ...]] = MappingProxyType(
    {
        "Dollars": (*budget.RULES, *prices.RULES, *allocation.RULES),
        "Machines": (
            *placement.RULES,
            *architecture.RULES,
            *protection.RULES,
            *tags.RULES,
            *training.RULES,
        ),
        "GPUs in the cluster": (*gpu_capacity.RULES, *quotas.RULES),
        "Images": (*images.RULES, *charts.RULES),
        "Secrets": (*secrets.RULES,),
        "Network": (*network.RULES,),
        "Pods": (*pods.RULES, *labels.RULES),
        "Waivers": (*waiver_rules.RULES,),
    }
)
"""Heading of the docs -> its rules."""

RULES: tuple[ResourceRule | StackRule, ...] = tuple(rule for rules in CONCERNS.values() for rule in rules)
RULES_BY_NAME: Mapping[str, ResourceRule | StackRule] = MappingProxyType({rule.name: rule for rule in RULES})
NOT_WAIVABLE = frozenset(rule.name for rule in waiver_rules.RULES)
