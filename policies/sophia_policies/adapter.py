"""Rules as policies of pulumi-policy, with their level, schema, fix and link."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)

from sophia_policies.evaluation import Verdict, judge_resource, judge_stack
from sophia_policies.plain import Resource, plain
from sophia_policies.rule import ResourceRule, Rule, Situation, StackRule

__all__ = ["as_policies", "as_policy", "resource_of"]

_LEVELS = {"advisory": EnforcementLevel.ADVISORY, "mandatory": EnforcementLevel.MANDATORY}


def as_policies(rules: Iterable[ResourceRule | StackRule]) -> list[Policy]:
    """One policy for each rule, of the same name."""
    return [as_policy(rule) for rule in rules]


def as_policy(rule: ResourceRule | StackRule) -> ResourceValidationPolicy | StackValidationPolicy:
    """`rule` for a pack of pulumi-policy.

    In our own pack `serving` runs the rules and these carry the description. In another pack they work too,
    without waivers and without the stack's configuration; what is advisory in a mandatory rule is left out.
    """
    common: dict[str, Any] = {
        "name": rule.name,
        "description": f"{rule.summary} {rule.reason}",
        "enforcement_level": _LEVELS[rule.level],
        "config_schema": _schema_of(rule),
        "severity": Severity.HIGH if rule.level == "mandatory" else Severity.LOW,
        "remediation_steps": rule.fix,
        "url": rule.link,
    }
    if isinstance(rule, ResourceRule):
        return ResourceValidationPolicy(validate=_resource_validation(rule), **common)
    return StackValidationPolicy(validate=_stack_validation(rule), **common)


def resource_of(args: ResourceValidationArgs | PolicyResource) -> Resource:
    """What pulumi-policy hands over, as plain data."""
    return Resource(args.resource_type, args.name, plain(args.props), args.urn, args.opts.protect)


def _schema_of(rule: Rule) -> PolicyConfigSchema | None:
    if not rule.settings:
        return None
    return PolicyConfigSchema({name: dict(setting.schema) for name, setting in rule.settings.items()})


def _resource_validation(rule: ResourceRule) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
    def validate(args: ResourceValidationArgs, report_violation: ReportViolation) -> None:
        resource = resource_of(args)
        situation = Situation(today=_today(), settings=plain(args.get_config()), seen=(resource,))
        _report(rule, judge_resource(rule, resource, situation), report_violation)

    return validate


def _stack_validation(rule: StackRule) -> Callable[[StackValidationArgs, ReportViolation], None]:
    def validate(args: StackValidationArgs, report_violation: ReportViolation) -> None:
        resources = [resource_of(item) for item in args.resources]
        situation = Situation(today=_today(), settings=plain(args.get_config()), seen=resources)
        _report(rule, judge_stack(rule, resources, situation), report_violation)

    return validate


def _report(rule: Rule, verdicts: Iterable[Verdict], report_violation: ReportViolation) -> None:
    for verdict in verdicts:
        if verdict.level in (None, rule.level):
            report_violation(verdict.text, verdict.urn or None)


def _today() -> Any:
    return datetime.now(UTC).date()
