"""Whether a set can be brought back: every byte of it, and that each part is what it says."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sophia_infra.backup.contents import unpack
from sophia_infra.backup.databases import restore_sqlite
from sophia_infra.backup.errors import BackupError, DatabaseFailed, SetDamaged
from sophia_infra.backup.key import BackupKey
from sophia_infra.backup.manifest import Manifest, Part
from sophia_infra.backup.postgres import list_dump
from sophia_infra.backup.sets import BackupSets

__all__ = ["PartVerdict", "verify_set"]


@dataclass(frozen=True, slots=True)
class PartVerdict:
    """One part: what was found in it, or what is wrong with it (then `problem`)."""

    part: Part
    found: str
    problem: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "part": self.part.name,
            "kind": self.part.kind,
            "bytes": self.part.sealed_bytes,
            "found": self.found,
            "problem": self.problem,
        }


def verify_set(sets: BackupSets, manifest: Manifest, key: BackupKey, scratch: Path) -> list[PartVerdict]:
    """Read every part to its end, in the order of the set; a damaged one does not hide the next.

    Args:
        scratch: a folder that only we may read; a SQLite dump lies there while it is checked.

    Raises StoreUnavailable: nothing can be said then.
    """
    return [_verdict(sets, manifest, part, key, scratch) for part in manifest.parts]


def _verdict(sets: BackupSets, manifest: Manifest, part: Part, key: BackupKey, scratch: Path) -> PartVerdict:
    try:
        sets.check_hash(manifest, part)
        return PartVerdict(part, _look(part, sets.read(manifest, part, key), scratch))
    except (SetDamaged, DatabaseFailed) as error:
        return PartVerdict(part, "", error.message)
    except (ValueError, OSError, EOFError) as error:
        if isinstance(error, BackupError):
            raise
        return PartVerdict(part, "", f"{part.name} is not what it says ({type(error).__name__})")


def _look(part: Part, chunks: Iterator[bytes], scratch: Path) -> str:
    if part.kind in ("configuration", "records"):
        return f"{len(unpack(chunks, None, scratch))} files"
    if part.kind == "database":
        if part.detail.get("server") == "postgres":
            return f"{len(list_dump(chunks))} objects, by pg_restore --list"
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            return f"{restore_sqlite(chunks, Path(folder) / 'check.sqlite')} tables, sound"
    document = json.loads(b"".join(chunks))
    if part.kind == "state":
        with suppress(KeyError, TypeError):
            return f"{len(document['deployment']['resources'])} resources"
        return "0 resources"
    return f"{len(document)} images"
