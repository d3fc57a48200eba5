"""`docker/images.lock.json`: every image that a build pulls, by tag and digest; no other place names them.

buildx bake reads the same file as a definition, so the Dockerfile gets its bases from here and nowhere else.
A digest is null until `lock_images` has asked a registry: none is ever typed by hand.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from sophia_infra.images.errors import LockRefused, Unlocked

__all__ = ["PLATFORMS", "ImageLock", "LockedImage", "build_arguments", "read_lock", "write_lock"]

PLATFORMS: Final = ("linux/amd64", "linux/arm64")
"""Both architectures of the fleet: GH200 machines are arm64."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TAG = re.compile(r"[a-z0-9]+(?:[._/-][a-z0-9]+)*:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_CUDA = re.compile(
    r"nvidia/cuda:\d+\.\d+\.\d+-(?:base|runtime|devel|cudnn-runtime|cudnn-devel)-[a-z]+[0-9.]+"
)
_BASES: Final = {"PYTHON_IMAGE": "python", "RUNTIME_IMAGE": "runtime", "CUDA_IMAGE": "cuda"}


@dataclass(frozen=True)
class LockedImage:
    """One image.

    Attributes:
        tag: `name:tag`, never `latest`, without a host.
        use: what it is for.
        digest: of the index of all platforms; None until locked.
        platforms: platform -> digest of its manifest; empty until locked.
    """

    tag: str
    use: str
    digest: str | None = None
    platforms: Mapping[str, str] = field(default_factory=dict)

    @property
    def reference(self) -> str | None:
        """`name:tag@sha256:...`, or None while there is no digest."""
        return None if self.digest is None else f"{self.tag}@{self.digest}"


@dataclass(frozen=True)
class ImageLock:
    """All of the file, by name."""

    images: Mapping[str, LockedImage]

    def unlocked(self) -> tuple[str, ...]:
        """Names of the images that have no digest, sorted."""
        return tuple(sorted(name for name, image in self.images.items() if image.digest is None))

    def reference(self, name: str) -> str:
        """`name:tag@digest` of one image.

        Raises:
            Unlocked: it has no digest, or the lock does not know it.
        """
        image = self.images.get(name)
        reference = image.reference if image is not None else None
        if reference is None:
            raise Unlocked([name])
        return reference


def build_arguments(lock: ImageLock) -> dict[str, str]:
    """Build arguments of docker/Dockerfile, for a build without bake.

    Raises:
        Unlocked: naming every base that has no digest.
    """
    missing = [name for name in _BASES.values() if name in lock.unlocked() or name not in lock.images]
    if missing:
        raise Unlocked(missing)
    return {argument: lock.reference(name) for argument, name in _BASES.items()}


def read_lock(path: Path) -> ImageLock:
    """The lock at `path`, checked whole.

    Raises:
        LockRefused: it cannot be read, is no such file, or a tag or digest is not of the required form.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LockRefused(path, "", f"cannot be read as JSON ({type(error).__name__})") from None
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, dict) or set(document) != {"images"}:
        raise LockRefused(path, "", "has to be {images: {name: image}} and nothing else")
    return ImageLock({name: _image(path, name, fields) for name, fields in images.items()})


def write_lock(path: Path, lock: ImageLock) -> None:
    """Write the lock in one step: a reader sees the old file or the new one, never half of one."""
    document = {"images": {name: asdict(image) for name, image in lock.images.items()}}
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    beside.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    beside.replace(path)


def _image(path: Path, name: str, fields: Any) -> LockedImage:
    place = f"images.{name}"
    if not isinstance(fields, dict) or set(fields) != {"tag", "use", "digest", "platforms"}:
        raise LockRefused(path, place, "has to have tag, use, digest and platforms and nothing else")
    tag, digest, platforms = fields["tag"], fields["digest"], fields["platforms"]
    if not isinstance(tag, str) or not _TAG.fullmatch(tag) or tag.endswith(":latest"):
        raise LockRefused(path, f"{place}.tag", f"{tag!r} is not name:tag, without host and never latest")
    if tag.startswith("nvidia/cuda:") and not _CUDA.fullmatch(tag):
        form = "nvidia/cuda:12.4.1-runtime-ubuntu22.04"
        raise LockRefused(path, f"{place}.tag", f"{tag!r} does not exist: three numbers, as in {form}")
    if digest is not None and not _is_digest(digest):
        raise LockRefused(path, f"{place}.digest", "is not null and not sha256: with 64 hex digits")
    if not isinstance(platforms, dict) or not all(_is_digest(value) for value in platforms.values()):
        raise LockRefused(path, f"{place}.platforms", "is not a map of platform to digest")
    if digest is not None and not set(PLATFORMS) <= set(platforms):
        raise LockRefused(path, f"{place}.platforms", f"has to have {' and '.join(PLATFORMS)}")
    return LockedImage(tag=tag, use=str(fields["use"]), digest=digest, platforms=platforms)


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None
