"""How each resource type of a program is billed. The one place to say so for a new one.

Three answers: by the hour (instances), not at all, or not in dollars that a plan can know. The last
group is listed with every figure, in words, so that nobody takes silence for zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sophia_infra.engine.events import Step
from sophia_infra.model.money import format_usd
from sophia_infra.model.price_book import file_storage_usd_per_gib_month
from sophia_infra.model.resource_tokens import KindName, kind_of

__all__ = ["ALWAYS_UNPRICED", "is_component", "is_known", "why_unpriced"]

_FREE_KINDS: frozenset[KindName] = frozenset(
    {"SshKey", "FirewallRuleset", "FleetReady", "ClusterCredentials", "ClusterReady"}
)
"""Cost nothing, ever (facts/lambda-cloud.md 2.3)."""
_FREE_TYPES = frozenset({"pulumi:pulumi:StackReference"})

_UNPRICED: Mapping[KindName, str] = MappingProxyType(
    {
        "Filesystem": (
            f"{format_usd(file_storage_usd_per_gib_month())} per GiB and month for what is kept in it, "
            "attached or not; how much that will be is not known"
        ),
        "InferenceEndpoint": (
            "external: billed in tokens by whoever runs it, or by the machine that it runs on"
        ),
    }
)
_UNPRICED_PREFIXES: Mapping[str, str] = MappingProxyType(
    {
        "kubernetes:": (
            "runs on machines that are counted already; a load balancer or volume that a cloud bills for it "
            "is not in this figure"
        ),
    }
)

ALWAYS_UNPRICED = ("Egress is free at Lambda. Taxes and support are in no figure.",)
"""True of every plan."""


def is_component(step: Step) -> bool:
    """Whether it only groups others: the stack, providers, and whatever no provider makes."""
    return step.is_bookkeeping or not step.provider


def is_known(resource_type: str) -> bool:
    """Whether this room can say how the type is billed."""
    kind = kind_of(resource_type)
    return (
        kind == "Instance"
        or kind in _FREE_KINDS
        or resource_type in _FREE_TYPES
        or why_unpriced(resource_type) is not None
    )


def why_unpriced(resource_type: str) -> str | None:
    """Why a plan cannot put dollars to the type; None for instances and for what is free."""
    kind = kind_of(resource_type)
    if kind is not None and kind in _UNPRICED:
        return _UNPRICED[kind]
    return next(
        (text for prefix, text in _UNPRICED_PREFIXES.items() if resource_type.startswith(prefix)), None
    )
