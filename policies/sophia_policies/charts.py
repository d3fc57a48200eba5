"""What these rules cannot see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sophia_policies.kubernetes import is_kind
from sophia_policies.plain import Resource, is_unknown, read
from sophia_policies.rule import Finding, ResourceRule, Situation, cannot_tell, violation

__all__ = ["RULES"]


def _is_release(resource: Resource) -> bool:
    return is_kind(resource, "helm.sh", "Release")


def _check_release(resource: Resource, _situation: Situation) -> Iterator[Finding]:
    version = read(resource.props, "version")
    if is_unknown(version):
        yield cannot_tell("the version of the chart is not known")
    elif not version:
        yield violation(f"Release {resource.name} names no version of its chart, so it takes the newest")


RULES: Iterable[ResourceRule] = (
    ResourceRule(
        name="chart-version",
        level="mandatory",
        summary="A Helm Release names the version of its chart.",
        reason="The newest chart of tomorrow is another program; and what a Release makes is not "
        "seen by these rules.",
        fix="Set `version`. Use helm.v4.Chart where its objects should be seen.",
        applies=_is_release,
        check=_check_release,
    ),
)
