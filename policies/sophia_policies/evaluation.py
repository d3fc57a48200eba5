"""One rule on one resource, or on all: findings, waivers applied, levels decided. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sophia_policies.plain import Resource
from sophia_policies.registry import NOT_WAIVABLE
from sophia_policies.rule import Finding, Level, ResourceRule, Rule, Situation, StackRule
from sophia_policies.waivers import find_waiver

__all__ = ["Verdict", "judge_resource", "judge_stack"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is told to the engine. `level` None means the level of the rule, as configured."""

    text: str
    urn: str = ""
    level: Level | None = None


def judge_resource(rule: ResourceRule, resource: Resource, situation: Situation) -> Iterator[Verdict]:
    """What `rule` has to say about `resource`; nothing when it does not look at this type."""
    if rule.applies(resource):
        for finding in rule.check(resource, _with_settings(rule, situation)):
            named = replace(finding, urn=finding.urn or resource.urn, name=finding.name or resource.name)
            yield _judge(rule, named, situation)


def judge_stack(rule: StackRule, resources: Sequence[Resource], situation: Situation) -> Iterator[Verdict]:
    """What `rule` has to say about the stack. Findings without a resource are about the stack's name."""
    for finding in rule.check(resources, _with_settings(rule, situation)):
        yield _judge(rule, replace(finding, name=finding.name or situation.stack), situation)


def _with_settings(rule: Rule, situation: Situation) -> Situation:
    """Defaults below what is configured."""
    return replace(situation, settings={**rule.defaults, **situation.settings})


def _judge(rule: Rule, finding: Finding, situation: Situation) -> Verdict:
    if finding.kind != "violation":
        return Verdict(f"{finding.text}. See {rule.link}", finding.urn, "advisory")
    valid, expired = (
        (None, None)
        if rule.name in NOT_WAIVABLE
        else find_waiver(situation.waivers, rule.name, finding.name, finding.urn, situation.today)
    )
    if valid is not None:
        text = (
            f"waived until {valid.expires} by {valid.owner} ({valid.reason}): {finding.text}. See {rule.link}"
        )
        return Verdict(text, finding.urn, "advisory")
    text = f"{finding.text}. Fix: {rule.fix} See {rule.link}"
    if expired is not None:
        text = f"the waiver by {expired.owner} expired on {expired.expires}: {text}"
    return Verdict(text, finding.urn)
