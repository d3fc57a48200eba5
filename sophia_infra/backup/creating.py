"""Make a set: each part sealed and streamed into the store, the manifest last: nothing half looks whole."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sophia_infra.backup.errors import StoreUnavailable
from sophia_infra.backup.key import BackupKey
from sophia_infra.backup.manifest import MANIFEST, Manifest, Part, PartKind, new_set_id
from sophia_infra.backup.sealing import seal
from sophia_infra.backup.stores import Store

__all__ = ["PlannedPart", "create_set"]


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """What is to be copied. `open` begins to read; what it gives must end or raise, never just stop."""

    name: str
    kind: PartKind
    open: Callable[[], Iterable[bytes]]
    detail: Mapping[str, Any] = field(default_factory=dict)


def create_set(
    store: Store,
    stack: str,
    key: BackupKey,
    parts: Iterable[PlannedPart],
    *,
    versions: Mapping[str, str],
    notes: Iterable[str] = (),
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    say: Callable[[str], None] = lambda _line: None,
) -> Manifest:
    """Write the parts in order, then the manifest.

    Whatever is raised on the way, or kills this process, leaves no manifest: such a set is not listed as one,
    and `prune` removes what is left of it after a day.

    Raises:
        StoreUnavailable: the store does not take it, or another one removed it meanwhile.
        DatabaseFailed: a dump ended with an error.
    """
    begun, started_s = now(), time.monotonic()
    set_id = new_set_id(begun, (name.split("/")[1] for name in store.names(stack)))
    written = []
    for part in parts:
        say(f"copying {part.name}")
        counted = _Counted()
        sealed = seal(counted.plain(part.open()), key, f"{set_id}/{part.name}")
        store.put(f"{stack}/{set_id}/{part.name}", counted.sealed(sealed))
        written.append(
            Part(
                part.name,
                part.kind,
                counted.sha256,
                counted.sealed_bytes,
                counted.plain_bytes,
                dict(part.detail),
            )
        )
    manifest = Manifest(
        set_id=set_id,
        stack=stack,
        made_at=begun.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00"),
        seconds=round(time.monotonic() - started_s, 3),
        key_id=key.id,
        versions={"python": platform.python_version(), **versions},
        parts=tuple(written),
        notes=tuple(notes),
    ).sealed(key)
    _look_for_all(store, manifest)
    store.put(f"{stack}/{set_id}/{MANIFEST}", [manifest.as_text().encode()])
    return manifest


def _look_for_all(store: Store, manifest: Manifest) -> None:
    """A `prune` whose clock is a day ahead takes a set that is being made for one of a maker that died."""
    folder = f"{manifest.stack}/{manifest.set_id}"
    there = set(store.names(folder))
    gone = [part.name for part in manifest.parts if f"{folder}/{part.name}" not in there]
    if gone:
        raise StoreUnavailable(
            f"Set {manifest.set_id} was removed from {store.place} while it was made: {gone[0]} is gone.",
            next_step="look at the clocks of this machine and of the one that runs `sophia backup prune`; "
            "then run it again.",
        )


class _Counted:
    """Sizes and hash of a part, taken while it passes."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.sealed_bytes = 0
        self.plain_bytes = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def plain(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.plain_bytes += len(chunk)
            yield chunk

    def sealed(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._digest.update(chunk)
            self.sealed_bytes += len(chunk)
            yield chunk
