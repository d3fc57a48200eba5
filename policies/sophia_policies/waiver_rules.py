"""The rules about waivers themselves. They cannot be waived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sophia_policies.budget import ROOT_STACK
from sophia_policies.plain import Resource
from sophia_policies.rule import Finding, ResourceRule, Situation, StackRule, note, violation

__all__ = ["RULES"]


def _is_stack(resource: Resource) -> bool:
    return resource.type == ROOT_STACK


def _check_expired(_resource: Resource, situation: Situation) -> Iterator[Finding]:
    for waiver in situation.waivers:
        if not waiver.is_valid(situation.today):
            yield violation(f"expired on {waiver.expires}: {waiver}")


def _list_active(_resources: Sequence[Resource], situation: Situation) -> Iterator[Finding]:
    for waiver in situation.waivers:
        if waiver.is_valid(situation.today):
            days = (waiver.expires - situation.today).days
            yield note(f"active for {days} more day{'s' if days != 1 else ''}: {waiver}")


RULES: Iterable[ResourceRule | StackRule] = (
    ResourceRule(
        name="waiver-expired",
        level="mandatory",
        summary="No waiver is past its last day.",
        reason="An exception that nobody renews has become the rule.",
        fix="Take it out of `policies/waivers.yaml` and follow the rule, or give it a new day and an owner.",
        applies=_is_stack,
        check=_check_expired,
    ),
    StackRule(
        name="waivers-in-force",
        level="advisory",
        summary="Every waiver in force is listed in every preview.",
        reason="An exception that is not seen is forgotten.",
        fix="Nothing to do: it is a list.",
        check=_list_active,
    ),
)
