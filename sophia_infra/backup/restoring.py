"""Bring parts of a set back, each to a place that is named, and never over something that is there unasked.

Every part is read and checked to its end before anything of it is written.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sophia_infra.backup.contents import unpack
from sophia_infra.backup.databases import DatabaseAddress, restore_sqlite
from sophia_infra.backup.errors import BackupRefused, SetMissing, TargetOccupied, TargetUnwritable
from sophia_infra.backup.key import BackupKey
from sophia_infra.backup.manifest import Manifest, Part, PartKind
from sophia_infra.backup.postgres import count_objects, restore_postgres
from sophia_infra.backup.sets import BackupSets
from sophia_infra.engine.home import make_private_folder, write_private_file

__all__ = ["SetReader"]


class SetReader:
    """One set that is read by its parts.

    Args:
        scratch: a folder that only we may read.
    """

    def __init__(self, sets: BackupSets, manifest: Manifest, key: BackupKey, scratch: Path) -> None:
        self._sets, self.manifest, self._key, self._scratch = sets, manifest, key, scratch

    def files_to(self, folder: Path, *, overwrite: bool) -> int:
        """Write configuration, images and records below `folder`; return how many files.

        They are not put where they came from: the newer ones that are there may be the right ones.

        Raises:
            TargetOccupied: the folder holds something.
            SetDamaged, SetMissing, StoreUnavailable: nothing was written.
            TargetUnwritable: the disk does not take it; a folder that was not there is still not there.
        """
        if folder.exists() and not (folder.is_dir() and (overwrite or not any(folder.iterdir()))):
            raise TargetOccupied(
                f"{folder} is there and not empty. Nothing was written.",
                next_step="name another folder, or add --overwrite.",
            )
        configuration = self._checked("configuration")
        records = self.manifest.part("records")
        if records is not None:
            self._sets.check_hash(self.manifest, records)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as drafts:
                draft = Path(drafts) / "files"
                count = self._write_files(draft, configuration, records)
                if overwrite:
                    shutil.copytree(draft, folder, dirs_exist_ok=True)
                else:
                    draft.rename(folder)
        except OSError as error:
            raise TargetUnwritable(
                f"{folder} cannot be written ({error.strerror or type(error).__name__}).",
                next_step="free space there, or correct owner and mode; then run it again.",
            ) from error
        return count

    def _write_files(self, folder: Path, configuration: Part, records: Part | None) -> int:
        make_private_folder(folder)
        count = len(unpack(self._read(configuration), folder, self._scratch))
        if records is not None:
            make_private_folder(folder / "records")
            count += len(unpack(self._read(records), folder / "records", self._scratch))
        images = self.manifest.part("images")
        if images is not None:
            write_private_file(folder / "images.json", b"".join(self._read(images)).decode())
            count += 1
        return count

    def file(self, name: str) -> str | None:
        """The text of one file of the configuration; None when the set has none of that name."""
        part = self._checked("configuration")
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            unpack(self._read(part), Path(folder), self._scratch)
            found = Path(folder) / name
            return found.read_text(encoding="utf-8") if found.is_file() else None

    def database_to(self, name: str, address: DatabaseAddress, *, overwrite: bool) -> None:
        """Bring the dump of database `name` into the one at `address`, which exists: all of it or nothing.

        Raises:
            SetMissing: the set has no such database.
            BackupRefused: it is a dump of another kind of server.
            TargetOccupied: something is there.
            SetDamaged, DatabaseFailed, StoreUnavailable: nothing was changed.
        """
        part = self._checked("database", name)
        if part.detail.get("server") != address.server:
            raise BackupRefused(
                f"The dump of {name} is of {part.detail.get('server')}; the address names {address.server}.",
                next_step="give the address of a database of the same kind.",
            )
        if address.server == "sqlite":
            if address.file.exists() and not overwrite:
                raise _occupied(str(address.file))
            restore_sqlite(self._read(part), address.file)
            return
        if count_objects(address) and not overwrite:
            raise _occupied(address.target)
        restore_postgres(self._read(part), address, overwrite=overwrite)

    def dump(self, name: str) -> Iterator[bytes]:
        """The dump of database `name`, checked before. Raises SetMissing, SetDamaged, StoreUnavailable."""
        return self._read(self._checked("database", name))

    def state(self) -> dict[str, Any]:
        """The state as the engine imports it, secrets encrypted. Raises SetMissing, SetDamaged."""
        return dict(json.loads(b"".join(self._read(self._checked("state")))))

    def _checked(self, kind: PartKind, name: str | None = None) -> Part:
        part = self.manifest.part(kind, name)
        if part is None:
            known = [str(part.detail["database"]) for part in self.manifest.parts if part.kind == "database"]
            raise SetMissing(
                f"Set {self.manifest.set_id} holds no {kind}{f' {name}' if name else ''}.",
                next_step=f"its databases: {', '.join(known) or 'none'}."
                if kind == "database"
                else "take another set (`sophia backup list`).",
            )
        self._sets.check_hash(self.manifest, part)
        for _ in self._read(part):
            pass
        return part

    def _read(self, part: Part) -> Iterator[bytes]:
        return self._sets.read(self.manifest, part, self._key)


def _occupied(target: str) -> TargetOccupied:
    return TargetOccupied(
        f"{target} is not empty. Nothing was changed.",
        next_step="name an empty database, or add --overwrite, which replaces what the dump holds.",
    )
