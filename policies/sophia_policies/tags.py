"""Whose machine it is, what for, and until when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sophia_policies.lifetime import FORMS, hours_of, is_past
from sophia_policies.machines import is_instance, machine_of
from sophia_policies.plain import Resource, is_unknown, text_of
from sophia_policies.rule import Finding, ResourceRule, Setting, Situation, cannot_tell, note, violation

__all__ = ["RULES"]


def _check_tags(resource: Resource, situation: Situation) -> Iterator[Finding]:
    machine = machine_of(resource)
    if machine.is_adopted:
        return  # tags are set at launch only, and somebody else launched it
    declared = situation.stack_config.fleet.get(resource.name) if situation.stack_config else None
    if is_unknown(machine.tags):
        yield cannot_tell("its tags are not known")
        return
    for key in situation.settings["required"]:
        value = machine.tag(key)
        if is_unknown(value):
            yield cannot_tell(f"tag {key} is not known")
        elif not text_of(value).strip() and not (key == "purpose" and declared and declared.purpose):
            yield violation(f"{resource.name} has no tag {key}")
    yield from _check_ttl(
        resource, machine.tag("ttl"), declared is not None and not declared.always_on, situation
    )


def _check_ttl(resource: Resource, ttl: object, is_needed: bool, situation: Situation) -> Iterator[Finding]:
    if is_unknown(ttl):
        yield cannot_tell("tag ttl is not known")
    elif not text_of(ttl):
        if is_needed and situation.settings["ttl_unless_always_on"]:
            yield violation(f"{resource.name} is not always on and has no tag ttl ({FORMS})")
    elif hours_of(text_of(ttl), situation.today) is None:
        yield violation(f"{resource.name}: ttl {ttl!r} is not {FORMS}")
    elif is_past(text_of(ttl), situation.today):
        yield note(f"{resource.name}: its ttl {ttl} is past; it still costs money")


RULES: Iterable[ResourceRule] = (
    ResourceRule(
        name="ownership-tags",
        level="advisory",
        summary="A launched machine says whose it is, what for, and, unless it is always on, until when.",
        reason="A machine without an owner is the one that nobody dares to end.",
        fix="Set tags `owner` and `ttl` for it in `sophia:fleet` (they take effect at the next "
        "launch); `purpose` "
        "stands in the stack file.",
        settings={
            "required": Setting(
                {"type": "array", "items": {"type": "string"}},
                ["owner", "purpose"],
                "tag keys; `purpose` is also satisfied by the stack file",
            ),
            "ttl_unless_always_on": Setting(
                {"type": "boolean"}, True, "whether a machine that is not always on needs a tag `ttl`"
            ),
        },
        applies=is_instance,
        check=_check_tags,
    ),
)
