"""Names and labels: those that Kubernetes accepts, and those by which cost is split."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sophia_policies.kubernetes import has_pods, kind_of, object_name, pod_template
from sophia_policies.plain import Resource, is_unknown, read, text_of
from sophia_policies.rule import Finding, ResourceRule, Setting, Situation, cannot_tell, violation

__all__ = ["RULES"]

_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.:-]{0,251}[a-z0-9])?")


def _is_kubernetes(resource: Resource) -> bool:
    return kind_of(resource) is not None


def _check_labels(resource: Resource, _situation: Situation) -> Iterator[Finding]:
    for where, labels in _label_maps(resource):
        if is_unknown(labels):
            yield cannot_tell(f"{where} are not known")
            continue
        for key, value in labels.items() if isinstance(labels, Mapping) else ():
            if is_unknown(value):
                yield cannot_tell(f"{where}: {key} is not known")
            elif not _LABEL_VALUE.fullmatch(text_of(value)):
                yield violation(f"{where}: {key} is {value!r}, which Kubernetes refuses as a label value")


def _label_maps(resource: Resource) -> Iterator[tuple[str, Any]]:
    yield "labels", read(resource.props, "metadata", "labels")
    if has_pods(resource):
        template = pod_template(resource)
        yield "labels of the pods", template.labels
        yield "nodeSelector", read(template.spec, "nodeSelector")


def _check_name(resource: Resource, _situation: Situation) -> Iterator[Finding]:
    name = read(resource.props, "metadata", "name")
    if is_unknown(name):
        yield cannot_tell("its name is not known")
    elif name is not None and not _NAME.fullmatch(text_of(name)):
        yield violation(
            f"{object_name(resource)!r} is no name in Kubernetes: lower-case letters, digits, `-` and `.`"
        )


def _check_cost_labels(resource: Resource, situation: Situation) -> Iterator[Finding]:
    labels = pod_template(resource).labels
    if is_unknown(labels):
        yield cannot_tell("the labels of its pods are not known")
        return
    for key in situation.settings["labels"]:
        value = read(labels, key)
        if is_unknown(value):
            yield cannot_tell(f"label {key} of its pods is not known")
        elif not text_of(value):
            yield violation(f"the pods of {resource.name} have no label {key}")


RULES: Iterable[ResourceRule] = (
    ResourceRule(
        name="label-values",
        level="mandatory",
        summary="Label values and node selectors are what Kubernetes accepts: up to 63 of letters, "
        "digits, `-_.`.",
        reason="`workload=training,large-inference` has a comma, and the API server refuses the "
        "whole object.",
        fix="Use one label for each, with the value `true`.",
        applies=_is_kubernetes,
        check=_check_labels,
    ),
    ResourceRule(
        name="object-names",
        level="mandatory",
        summary="Object names are in lower case.",
        reason="The API server refuses capitals, but only when everything before them is made.",
        fix="Write the name in lower case.",
        applies=_is_kubernetes,
        check=_check_name,
    ),
    ResourceRule(
        name="cost-labels",
        level="advisory",
        summary="Pods carry the labels by which cost is split.",
        reason="Dollars that belong to nobody are saved by nobody.",
        fix="Set the labels on the pod template.",
        settings={
            "labels": Setting({"type": "array", "items": {"type": "string"}}, ["team"], "label keys on pods")
        },
        applies=has_pods,
        check=_check_cost_labels,
    ),
)
