"""What an update must not delete by mistake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sophia_infra.model.resource_tokens import kind_of
from sophia_policies.machines import is_instance
from sophia_policies.plain import Resource
from sophia_policies.rule import Finding, ResourceRule, Situation, cannot_tell, violation

__all__ = ["RULES"]


def _check_machine(resource: Resource, situation: Situation) -> Iterator[Finding]:
    if resource.is_protected:
        return
    declared = situation.stack_config.fleet.get(resource.name) if situation.stack_config else None
    if declared is None:
        yield cannot_tell(
            "it is not in `sophia:fleet`, so whether it is always on is not known; it is not protected"
        )
    elif declared.always_on:
        yield violation(f"{resource.name} is always on and not protected")


def _is_filesystem(resource: Resource) -> bool:
    return kind_of(resource.type) == "Filesystem"


def _check_filesystem(resource: Resource, _situation: Situation) -> Iterator[Finding]:
    if not resource.is_protected:
        yield violation(f"filesystem {resource.name} is not protected")


RULES: Iterable[ResourceRule] = (
    ResourceRule(
        name="always-on-protected",
        level="mandatory",
        summary="A machine that is always on is protected from deletion.",
        reason="A terminated machine may not come back: there may be no capacity, and its disk is gone.",
        fix="Set `protect: true` for it in `sophia:fleet`, or `always_on: false`.",
        applies=is_instance,
        check=_check_machine,
    ),
    ResourceRule(
        name="filesystem-protected",
        level="mandatory",
        summary="A filesystem is protected from deletion.",
        reason="A machine can be launched again, its data cannot.",
        fix="Leave `protect` of it in `sophia:filesystems` at its default, true.",
        applies=_is_filesystem,
        check=_check_filesystem,
    ),
)
