"""A store in a folder, a key, and small sets. Not a test itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from sophia_infra.backup.creating import PlannedPart, create_set
from sophia_infra.backup.key import BackupKey
from sophia_infra.backup.manifest import Manifest
from sophia_infra.backup.sets import BackupSets
from sophia_infra.backup.stores import FolderStore, Store

KEY = BackupKey(b"k" * 32)
OTHER_KEY = BackupKey(b"o" * 32)
STACK = "staging"
NOON = datetime(2026, 8, 20, 12, 0, 0, tzinfo=UTC)


def sets_in(folder: Path) -> BackupSets:
    return BackupSets(FolderStore(folder), STACK)


def text_part(name: str, text: str, *, kind: str = "images") -> PlannedPart:
    return PlannedPart(name, kind, lambda: [text.encode()])  # type: ignore[arg-type]


def make_set(
    store: Store,
    parts: Iterable[PlannedPart] | None = None,
    *,
    at: datetime = NOON,
    stack: str = STACK,
    key: BackupKey = KEY,
) -> Manifest:
    """A whole set of two parts, or of these."""
    chosen = [text_part("images", "[]"), text_part("state", "{}", kind="state")] if parts is None else parts
    return create_set(store, stack, key, chosen, versions={"sophia": "0.1.0"}, now=lambda: at)


def breaking(after: bytes, error: Callable[[], Exception]) -> Iterator[bytes]:
    """A source that gives something and then fails."""
    yield after
    raise error()


def part_file(folder: Path, manifest: Manifest, name: str) -> Path:
    return folder / manifest.stack / manifest.set_id / name
