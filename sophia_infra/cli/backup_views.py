"""Sets and verdicts as plain documents and as lines for people."""

from __future__ import annotations

from typing import Any

from sophia_infra.backup.drills import Drill
from sophia_infra.backup.manifest import Manifest

__all__ = ["age_text", "drill_document", "set_document", "size_text"]


def set_document(manifest: Manifest) -> dict[str, Any]:
    """One set; `bytes` as stored, `seconds` to make it."""
    return {
        "set": manifest.set_id,
        "made_at": manifest.made_at,
        "seconds": manifest.seconds,
        "bytes": manifest.sealed_bytes,
        "key_id": manifest.key_id,
        "versions": dict(manifest.versions),
        "parts": [
            {
                "name": part.name,
                "kind": part.kind,
                "bytes": part.sealed_bytes,
                "plain_bytes": part.plain_bytes,
                "detail": dict(part.detail),
            }
            for part in manifest.parts
        ],
        "notes": list(manifest.notes),
    }


def drill_document(drill: Drill) -> dict[str, Any]:
    """One drill, times in seconds."""
    return {name: getattr(drill, name) for name in drill.__slots__} | {"problems": list(drill.problems)}


def size_text(count: int) -> str:
    """`812 B`, `1.4 MiB`."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def age_text(age_s: float) -> str:
    """`40 s`, `12 min`, `5.1 h`, `3.0 d`."""
    for limit_s, divisor, unit, digits in ((120, 1, "s", 0), (7200, 60, "min", 0), (172_800, 3600, "h", 1)):
        if age_s < limit_s:
            return f"{age_s / divisor:.{digits}f} {unit}"
    return f"{age_s / 86_400:.1f} d"
