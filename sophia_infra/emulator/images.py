"""Machine images: one row per family, architecture and region. Fixed data, the same in every account."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import cache

from sophia_infra.emulator.errors import INVALID_PARAMETERS, LAUNCH_RESOURCE_NOT_FOUND, Refused
from sophia_infra.model.catalogue import IMAGE_FAMILIES, REGIONS

__all__ = ["DEFAULT_FAMILY", "Image", "all_images", "find_for_launch"]

DEFAULT_FAMILY = "lambda-stack-24-04"
"""The latest Lambda Stack, used when a launch names no image."""

_NAMESPACE = uuid.UUID("6f1c7f0e-6f5d-4d4b-9a57-2f0f5b1f4c11")


@dataclass(frozen=True, slots=True)
class Image:
    id: str
    family: str
    architecture: str
    region: str
    version: str


@cache
def all_images() -> dict[str, Image]:
    """Every image by id; ids are the same in every run."""
    rows: dict[str, Image] = {}
    for family, architectures in IMAGE_FAMILIES.items():
        version = ".".join(family.rsplit("-", 2)[-2:])
        for region in REGIONS:
            for architecture in sorted(architectures):
                image_id = str(uuid.uuid5(_NAMESPACE, f"{family}/{architecture}/{region}"))
                rows[image_id] = Image(image_id, family, architecture, region, version)
    return rows


def find_for_launch(wanted: dict[str, str] | None, region: str, architecture: str) -> Image:
    """The image a launch means: `{"id": ...}`, `{"family": ...}` or None for the default.

    Raises:
        Refused: 400 global/object-does-not-exist when there is no such image at all, 400
            global/invalid-parameters when it is for another region or architecture (our guess).
    """
    wanted = wanted or {"family": DEFAULT_FAMILY}
    key, value = next(iter(wanted.items()))
    named = [image for image in all_images().values() if getattr(image, key) == value]
    if not named:
        raise Refused(LAUNCH_RESOURCE_NOT_FOUND, f"Image with {key} {value!r} does not exist.")
    for image in named:
        if image.region == region and image.architecture == architecture:
            return image
    raise Refused(
        INVALID_PARAMETERS,
        f"Image with {key} {value!r} is not available for architecture {architecture} in region {region}.",
    )
