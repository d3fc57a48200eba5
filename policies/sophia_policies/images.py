"""Container images: the same bytes tomorrow, from where they are expected."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sophia_policies.kubernetes import containers, has_pods, pod_template
from sophia_policies.plain import Resource, is_unknown, read, text_of
from sophia_policies.rule import Finding, ResourceRule, Setting, Situation, cannot_tell, violation

__all__ = ["RULES"]

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


def _images(resource: Resource) -> Iterator[tuple[str, object]]:
    for container in containers(pod_template(resource)):
        yield container.name, read(container.spec, "image")


def _tag_of(image: str) -> str:
    """The tag; empty without one. A colon before a slash belongs to the port of the registry."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2]


def _registry_of(image: str) -> str:
    """The host of the registry; `docker.io` when the name has none."""
    host, slash, _rest = image.partition("/")
    return host if slash and ("." in host or ":" in host or host == "localhost") else "docker.io"


def _check_latest(resource: Resource, _situation: Situation) -> Iterator[Finding]:
    for name, image in _images(resource):
        if is_unknown(image):
            yield cannot_tell(f"the image of container {name} is not known")
            continue
        text = text_of(image)
        tag = _tag_of(text)
        if tag == "latest" or (not tag and "@" not in text):
            yield violation(
                f"container {name}: image {text or '(none)'} is whatever is newest when a pod starts"
            )


def _check_digest(resource: Resource, _situation: Situation) -> Iterator[Finding]:
    for name, image in _images(resource):
        if is_unknown(image):
            yield cannot_tell(f"the image of container {name} is not known")
        elif not _DIGEST.search(text_of(image)):
            yield violation(f"container {name}: image {text_of(image) or '(none)'} has no digest")


def _check_registry(resource: Resource, situation: Situation) -> Iterator[Finding]:
    allowed = situation.settings["registries"]
    if not allowed:
        return
    for name, image in _images(resource):
        if is_unknown(image):
            yield cannot_tell(f"the image of container {name} is not known")
        elif _registry_of(text_of(image)) not in allowed:
            yield violation(
                f"container {name}: registry {_registry_of(text_of(image))} is not one of "
                f"{', '.join(allowed)}"
            )


RULES: Iterable[ResourceRule] = (
    ResourceRule(
        name="no-latest",
        level="mandatory",
        summary="No image is tagged `latest` or has neither tag nor digest.",
        reason="Two pods of one Deployment would run different programs after a restart.",
        fix="Name a version, and pin its digest.",
        applies=has_pods,
        check=_check_latest,
    ),
    ResourceRule(
        name="image-digest",
        level="advisory",
        summary="Images are pinned by digest (`name:tag@sha256:...`).",
        reason="A tag can be moved, and NVIDIA takes old tags away; a digest is the same bytes for ever.",
        fix="Add the digest that the build prints. Set this rule to mandatory where images come "
        "from a registry.",
        applies=has_pods,
        check=_check_digest,
    ),
    ResourceRule(
        name="image-registries",
        level="mandatory",
        summary="Images come from the registries that are allowed.",
        reason="Each further registry is one more that can be down, throttled or taken over.",
        fix="Copy the image to an allowed registry, or extend `registries`.",
        settings={
            "registries": Setting(
                {"type": "array", "items": {"type": "string"}},
                [],
                "hosts; `docker.io` for names without one; empty: all",
            )
        },
        applies=has_pods,
        check=_check_registry,
    ),
)
