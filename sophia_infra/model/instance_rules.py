"""What cannot go together in one instance. Pure: an instance in, conflicts out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sophia_infra.model.catalogue import CATALOGUE, IMAGE_FAMILIES, human_instance_type
from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import Conflict

if TYPE_CHECKING:
    from sophia_infra.model.instance import Adopt, InstanceConfig

__all__ = ["find_adopt_conflicts", "find_instance_conflicts"]

_LAUNCH_ONLY = (
    "user_data",
    "user_data_file",
    "fallbacks",
    "wait_for_capacity",
    "image_family",
    "image_id",
    "hostname",
    "tags",
)


def find_adopt_conflicts(adopt: Adopt) -> list[Conflict]:
    """Exactly one of id and name."""
    if (adopt.id is None) != (adopt.name is None):
        return []
    found = "neither" if adopt.id is None else "both"
    return [Conflict((), Refused(f"has {found} of id and name", allowed="exactly one of them"))]


def find_instance_conflicts(instance: InstanceConfig) -> list[Conflict]:
    """All conflicts inside one instance, with paths relative to it."""
    return [
        *_find_either_or(instance),
        *_find_launch_only_on_adopted(instance),
        *_find_repeated_names(instance),
        *_find_useless_fallbacks(instance),
        *_find_images_that_do_not_fit(instance),
    ]


def _find_either_or(instance: InstanceConfig) -> Iterator[Conflict]:
    for first, second in (("image_family", "image_id"), ("user_data", "user_data_file")):
        if getattr(instance, first) is not None and getattr(instance, second) is not None:
            yield Conflict((second,), Refused(f"does not go with {first}; keep one of them"))


def _find_launch_only_on_adopted(instance: InstanceConfig) -> Iterator[Conflict]:
    if instance.adopt is None:
        return
    for key in _LAUNCH_ONLY:
        if getattr(instance, key):
            yield Conflict(
                (key,), Refused("has an effect only at launch, and an adopted instance is never launched")
            )


def _find_repeated_names(instance: InstanceConfig) -> Iterator[Conflict]:
    for key in ("filesystems", "firewalls"):
        names = getattr(instance, key)
        for at, name in enumerate(names):
            if name in names[:at]:
                yield Conflict((key, at), Refused("is named twice"), name)


def _find_useless_fallbacks(instance: InstanceConfig) -> Iterator[Conflict]:
    choices = instance.launch_choices
    for at, fallback in enumerate(instance.fallbacks):
        choice = choices[at + 1]
        words = f"{human_instance_type(choice.instance_type)} in {choice.region}"
        if fallback.type is None and fallback.region is None:
            yield Conflict(("fallbacks", at), Refused("is empty", allowed="type, region, or both"))
        elif choice == choices[0]:
            yield Conflict(("fallbacks", at), Refused(f"repeats the instance itself: {words}"))
        elif choice in choices[: at + 1]:
            yield Conflict(("fallbacks", at), Refused(f"repeats an earlier fallback: {words}"))


def _find_images_that_do_not_fit(instance: InstanceConfig) -> Iterator[Conflict]:
    wanted = CATALOGUE[instance.type].architecture
    family = instance.image_family
    if family is not None and wanted not in IMAGE_FAMILIES[family]:
        yield Conflict(("image_family",), _no_image(family, instance.type), family)
        return
    for at, fallback in enumerate(instance.fallbacks):
        if fallback.type is None or CATALOGUE[fallback.type].architecture == wanted:
            continue
        if family is None:
            yield Conflict(
                ("fallbacks", at, "type"),
                Refused(
                    f"is {CATALOGUE[fallback.type].architecture} and {instance.type} is {wanted}: "
                    "name an image_family that exists for both",
                    allowed=_families_for("arm64", "x86_64"),
                ),
                human_instance_type(fallback.type),
            )
        elif CATALOGUE[fallback.type].architecture not in IMAGE_FAMILIES[family]:
            yield Conflict(
                ("fallbacks", at, "type"),
                _no_image(family, fallback.type),
                human_instance_type(fallback.type),
            )


def _no_image(family: str, instance_type: str) -> Refused:
    architecture = CATALOGUE[instance_type].architecture
    return Refused(
        f"does not fit: {family} does not exist for {architecture}, the architecture of {instance_type}",
        allowed=f"image_family {_families_for(architecture)}",
    )


def _families_for(*architectures: str) -> str:
    return ", ".join(name for name, made_for in IMAGE_FAMILIES.items() if made_for >= set(architectures))
