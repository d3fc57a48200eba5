"""Sizes and build times, read from what docker and buildx write. Nothing here runs a command.

Sources, all of 2026: buildx 0.36 documentation ("bake --metadata-file", "imagetools inspect --raw") and its
build/provenance.go, which drops the times unless BUILDX_METADATA_PROVENANCE=max and always writes the
predicate SLSA 0.2 (`metadata.buildStartedOn`, `buildFinishedOn`, RFC 3339); `docker history --human=false
--format json`: one object a line, `Size` in bytes as text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sophia_infra.images.errors import MeasurementRefused

__all__ = ["BuildRecord", "read_build_metadata", "read_history_bytes", "read_manifest_bytes"]

_PROVENANCE: Final = "buildx.build.provenance"
_DIGEST: Final = "containerimage.digest"


@dataclass(frozen=True)
class BuildRecord:
    """What buildx noted for one bake target.

    Attributes:
        target: name of the bake target.
        digest: of what was built; None when nothing was exported.
        build_s: seconds from the first platform's start to the last one's end, by BuildKit's clock; None when
            the file has no times (BUILDX_METADATA_PROVENANCE was not max).
    """

    target: str
    digest: str | None
    build_s: float | None


def read_build_metadata(path: Path) -> dict[str, BuildRecord]:
    """Target -> record, from the file of `docker buildx bake --metadata-file`.

    Raises:
        MeasurementRefused: the file cannot be read, or is of another form.
    """
    document = _read_json(path)
    if not isinstance(document, dict):
        raise MeasurementRefused(path, "", "is not an object of bake targets")
    if any(key in document for key in (_DIGEST, _PROVENANCE)):
        raise MeasurementRefused(path, "", "is of `buildx build`, not of `buildx bake`")
    return {
        target: _record(path, target, fields)
        for target, fields in document.items()
        if not target.startswith("buildx.")
    }


def read_manifest_bytes(path: Path) -> int:
    """Bytes that travel: configuration and compressed layers of one image, from `imagetools inspect --raw`.

    Raises:
        MeasurementRefused: it cannot be read, is no manifest, or is an index of several (one per platform:
            inspect the digest of each).
    """
    document = _read_json(path)
    if isinstance(document, dict) and "manifests" in document:
        raise MeasurementRefused(path, "manifests", "is an index: inspect each platform by its digest")
    try:
        parts = [document["config"], *document["layers"]]
        return sum(_whole(part["size"]) for part in parts)
    except (KeyError, TypeError, ValueError):
        raise MeasurementRefused(path, "", "is not an image manifest") from None


def read_history_bytes(path: Path) -> int:
    """Bytes on the machine's disk, all layers unpacked, from `docker history --human=false --format json`.

    Raises:
        MeasurementRefused: it cannot be read, is empty, or a line has no size in bytes.
    """
    total, lines = 0, 0
    for number, line in enumerate(_read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        lines += 1
        try:
            total += _whole(int(json.loads(line)["Size"]))
        except (KeyError, TypeError, ValueError):
            raise MeasurementRefused(path, f"line {number}", "has no Size in bytes") from None
    if not lines:
        raise MeasurementRefused(path, "", "is empty")
    return total


def _record(path: Path, target: str, fields: Any) -> BuildRecord:
    if not isinstance(fields, dict):
        raise MeasurementRefused(path, target, "is not an object")
    digest = fields.get(_DIGEST)
    try:
        times = [
            (datetime.fromisoformat(when["buildStartedOn"]), datetime.fromisoformat(when["buildFinishedOn"]))
            for when in _build_times(fields)
        ]
        build_s = None
        if times:
            build_s = (max(end for _, end in times) - min(start for start, _ in times)).total_seconds()
    except (KeyError, TypeError, ValueError):
        raise MeasurementRefused(path, f"{target}.{_PROVENANCE}", "has no times of the known form") from None
    if build_s is not None and build_s < 0:
        raise MeasurementRefused(path, f"{target}.{_PROVENANCE}", "ends before it starts")
    return BuildRecord(target, str(digest) if digest is not None else None, build_s)


def _build_times(fields: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key, provenance in fields.items():
        if key == _PROVENANCE or key.startswith(f"{_PROVENANCE}/"):
            metadata = provenance.get("metadata") if isinstance(provenance, dict) else None
            if metadata:
                yield metadata


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(value)
    return value


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MeasurementRefused(path, "", f"cannot be read ({type(error).__name__})") from None


def _read_json(path: Path) -> Any:
    try:
        return json.loads(_read_text(path))
    except ValueError:
        raise MeasurementRefused(path, "", "is not JSON") from None
