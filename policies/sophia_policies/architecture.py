"""GH200 has an arm64 CPU: what runs there has to exist for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from sophia_infra.model.catalogue import CATALOGUE, IMAGE_FAMILIES
from sophia_policies.gpu_capacity import wanted_model
from sophia_policies.kubernetes import (
    ARCHITECTURES_ANNOTATION,
    PodTemplate,
    containers,
    has_pods,
    pod_template,
    selector_values,
)
from sophia_policies.machines import is_instance, machine_of, machines_of
from sophia_policies.plain import Resource, is_unknown, read, text_of
from sophia_policies.rule import Finding, ResourceRule, Setting, Situation, StackRule, cannot_tell, violation

__all__ = ["RULES"]

_ARCH_LABEL = "kubernetes.io/arch"
_ARM_MODELS = frozenset(row.gpu_model for row in CATALOGUE.values() if row.architecture == "arm64")


def _check_machine_image(resource: Resource, _situation: Situation) -> Iterator[Finding]:
    machine = machine_of(resource)
    if machine.is_adopted:
        return
    family, image_id = (read(resource.props, "image", part) for part in ("family", "id"))
    if family is None and image_id is None:
        return  # the service takes the latest Lambda Stack for the type's architecture
    for kind, _region in machine.choices:
        if is_unknown(kind):
            yield cannot_tell(
                "the instance type is not known, so neither is the architecture its image needs"
            )
            return
        row = CATALOGUE.get(text_of(kind))
        if row is None:
            continue
        if is_unknown(family) or (family is None and image_id is not None):
            if row.architecture == "arm64":
                yield cannot_tell(
                    f"whether the image exists for arm64, which {kind} needs, only the service knows"
                )
        elif text_of(family) in IMAGE_FAMILIES and row.architecture not in IMAGE_FAMILIES[text_of(family)]:
            yield violation(
                f"image family {family} does not exist for {row.architecture}, which {kind} needs"
            )


def _check_pods(resources: Sequence[Resource], situation: Situation) -> Iterator[Finding]:
    has_arm_nodes = any(
        machine.row and machine.row.architecture == "arm64" for machine in machines_of(resources)
    )
    for resource in filter(has_pods, resources):
        template = pod_template(resource)
        reason = _why_arm64(template, has_arm_nodes)
        if reason is None:
            continue
        declared = read(template.annotations, ARCHITECTURES_ANNOTATION)
        if is_unknown(declared):
            yield cannot_tell(f"the annotation {ARCHITECTURES_ANNOTATION} is not known", resource)
            continue
        if "arm64" in [part.strip() for part in text_of(declared).split(",")]:
            continue
        for container in containers(template):
            image = read(container.spec, "image")
            if is_unknown(image):
                yield cannot_tell(
                    f"the image of container {container.name} is not known, and {reason}", resource
                )
            elif not any(
                fnmatchcase(text_of(image), pattern) for pattern in situation.settings["arm64_images"]
            ):
                yield violation(
                    f"{resource.name}: {reason}, and nothing says that image {image} exists for arm64",
                    resource,
                )


def _why_arm64(template: PodTemplate, has_arm_nodes: bool) -> str | None:
    """Why its pods may start on an arm64 node; None when they cannot."""
    for key, value in selector_values(template):
        if key == _ARCH_LABEL and not is_unknown(value):
            return "its pods are bound to arm64 nodes" if value == "arm64" else None
    model = wanted_model(template)
    if model is not None:
        return f"its pods are bound to {model} nodes, which are arm64" if model in _ARM_MODELS else None
    return "its pods may be placed on an arm64 node of the fleet" if has_arm_nodes else None


RULES: Iterable[ResourceRule | StackRule] = (
    ResourceRule(
        name="machine-image-architecture",
        level="mandatory",
        summary="The image family of a machine exists for the CPU architecture of its type and its "
        "fallbacks.",
        reason="GH200 is arm64; an x86_64 image does not boot there, and the launch is paid until "
        "somebody looks.",
        fix="Use an image family that has arm64 (`lambda-stack-24-04`), or leave the choice to the service.",
        applies=is_instance,
        check=_check_machine_image,
    ),
    StackRule(
        name="pod-image-architecture",
        level="mandatory",
        summary="Pods that may start on an arm64 node have images that are declared to exist for arm64.",
        reason="An amd64 image on a GH200 ends in `exec format error`, restarted for ever.",
        fix=f"Build the image for both and say so: annotation `{ARCHITECTURES_ANNOTATION}: "
        f"amd64,arm64` on the pod "
        "template, or a pattern in `arm64_images`; or bind the pods by nodeSelector "
        "`kubernetes.io/arch: amd64`. "
        "No registry is asked, because a preview has to work without a network: what is declared is "
        "believed.",
        settings={
            "arm64_images": Setting(
                {"type": "array", "items": {"type": "string"}}, [], "patterns of images that exist for arm64"
            )
        },
        check=_check_pods,
    ),
)
