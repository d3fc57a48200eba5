"""The sets of one stack in a store: list, open, check, read a part."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sophia_infra.backup.errors import BackupError, SetDamaged, SetMissing, StoreUnavailable
from sophia_infra.backup.key import BackupKey
from sophia_infra.backup.manifest import MANIFEST, Manifest, Part, begun_at, parse_manifest
from sophia_infra.backup.sealing import unseal
from sophia_infra.backup.stores import Store

__all__ = ["LATEST", "BackupSets", "SetListing"]

LATEST: Final = "latest"
_MOST_MANIFEST_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class SetListing:
    """What a store holds of one stack.

    Attributes:
        sets: whole ones, newest first by their names, see `new_set_id`.
        unfinished: set id -> when it was begun, seconds since 1970: being made, or of a maker that died.
        unreadable: set id -> why its manifest cannot be used.
    """

    sets: tuple[Manifest, ...]
    unfinished: dict[str, float]
    unreadable: dict[str, str]


class BackupSets:
    """The sets of `stack` in `store`."""

    def __init__(self, store: Store, stack: str) -> None:
        self.store = store
        self.stack = stack

    def listing(self) -> SetListing:
        """Reads the manifests only, and needs no key. Raises StoreUnavailable."""
        begun: dict[str, datetime] = {}
        whole = set()
        for name in self.store.names(self.stack):
            pieces = name.split("/")
            if len(pieces) == 3 and (at := begun_at(pieces[1])):
                begun[pieces[1]] = at
                if pieces[2] == MANIFEST:
                    whole.add(pieces[1])
        sets, unfinished, unreadable = [], {}, {}
        for set_id in sorted(begun, reverse=True):
            if set_id not in whole:
                unfinished[set_id] = begun[set_id].timestamp()
                continue
            try:
                sets.append(self._manifest(set_id))
            except StoreUnavailable:
                # Not one that cannot be used: without it an older set would be the latest.
                raise
            except BackupError as error:
                unreadable[set_id] = error.message
        return SetListing(tuple(sets), unfinished, unreadable)

    def open(self, set_id: str, key: BackupKey) -> Manifest:
        """The manifest of that set, or of the newest for "latest"; checked against the key.

        Raises:
            SetMissing: there is none, or it was never finished.
            SetForeign, SetDamaged, KeyRefused: see `manifest`.
            StoreUnavailable.
        """
        if set_id == LATEST:
            listing = self.listing()
            if not listing.sets:
                raise SetMissing(
                    f"{self.store.place} holds no whole set of stack {self.stack}.",
                    next_step=f"`sophia backup create --stack {self.stack}` makes one.",
                )
            manifest = listing.sets[0]
        else:
            manifest = self._manifest(set_id) if begun_at(set_id) else self._missing(set_id)
        manifest.check(key)
        return manifest

    def check_hash(self, manifest: Manifest, part: Part) -> None:
        """Read a part's sealed bytes and compare them with the manifest; needs no key.

        Raises SetDamaged or StoreUnavailable.
        """
        digest, size = hashlib.sha256(), 0
        for chunk in self._sealed(manifest, part):
            digest.update(chunk)
            size += len(chunk)
        if (digest.hexdigest(), size) != (part.sha256, part.sealed_bytes):
            raise SetDamaged(
                f"Part {part.name} of set {manifest.set_id} has {size:,} bytes and not what was written "
                f"({part.sealed_bytes:,} bytes).",
                next_step="take an older set (`sophia backup list`), and look after the disk or bucket.",
            )

    def is_good(self, manifest: Manifest) -> bool:
        """Whether every part is as it was written. Raises StoreUnavailable."""
        try:
            for part in manifest.parts:
                self.check_hash(manifest, part)
        except SetDamaged:
            return False
        return True

    def read(self, manifest: Manifest, part: Part, key: BackupKey) -> Iterator[bytes]:
        """The plain bytes of a part, each authenticated. Raises SetDamaged, also in the middle."""
        return unseal(self._sealed(manifest, part), key, f"{manifest.set_id}/{part.name}")

    def remove(self, set_id: str) -> None:
        """Delete a set, its manifest first: what is left of it by a crash never looks whole."""
        self.store.delete(f"{self.stack}/{set_id}/{MANIFEST}")
        self.store.delete_folder(f"{self.stack}/{set_id}")

    def _manifest(self, set_id: str) -> Manifest:
        data = b""
        try:
            for chunk in self.store.get(f"{self.stack}/{set_id}/{MANIFEST}"):
                data += chunk
                if len(data) > _MOST_MANIFEST_BYTES:
                    break
        except FileNotFoundError:
            return self._missing(set_id)
        return parse_manifest(data, self.stack, set_id)

    def _missing(self, set_id: str) -> Manifest:
        raise SetMissing(
            f"{self.store.place} holds no whole set {set_id!r} of stack {self.stack}.",
            next_step=f"`sophia backup list --stack {self.stack}` shows which there are.",
        )

    def _sealed(self, manifest: Manifest, part: Part) -> Iterator[bytes]:
        try:
            yield from self.store.get(f"{self.stack}/{manifest.set_id}/{part.name}")
        except FileNotFoundError:
            raise SetDamaged(
                f"Part {part.name} of set {manifest.set_id} is gone.", next_step="take an older set."
            ) from None
