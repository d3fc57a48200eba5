"""The emulator's environments in one file, mode 0600, written whole; secrets in it are sealed."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from sophia_infra.esc.emulator.sealing import Sealer, load_or_make_key
from sophia_infra.esc.emulator.state import Environment, Revision, Store
from sophia_infra.esc.private_file import write_private_file

__all__ = ["StateFile", "StateFileUnusable"]

_FORMAT = "sophia-esc-emulator-state"
_VERSION = 1


class StateFileUnusable(Exception):
    """The file is in use, no state of this version, or its key is missing or another."""


class StateFile:
    """Loads a store from a file and saves it there.

    Raises:
        StateFileUnusable: see above; the file is left as it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Held until the process ends: a second emulator would overwrite what this one saves.
        self._lock = os.open(
            path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise StateFileUnusable(f"{path} is in use by another emulator") from None
        key_path = path.with_name(f"{path.name}.key")
        if path.exists() and not key_path.exists():
            raise StateFileUnusable(
                f"{path} is there and its key {key_path} is not; restore it or move {path} away"
            )
        try:
            self.store = Store(Sealer(load_or_make_key(key_path)))
        except ValueError as error:
            raise StateFileUnusable(str(error)) from None
        self._load()

    def close(self) -> None:
        """Give the lock back."""
        os.close(self._lock)

    def save(self) -> None:
        """Write everything in one step. OSError when it cannot."""
        rows = [
            {
                "organization": one.organization,
                "project": one.project,
                "name": one.name,
                "revisions": [
                    {"number": r.number, "created": r.created, "creator": r.creator, "text": r.text}
                    for r in one.revisions
                ],
            }
            for one in self.store.environments.values()
        ]
        write_private_file(
            self._path, json.dumps({"format": _FORMAT, "version": _VERSION, "environments": rows})
        )

    def _load(self) -> None:
        try:
            saved: Any = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except ValueError:
            raise StateFileUnusable(f"{self._path} is not JSON; restore it or move it away") from None
        try:
            if saved["format"] != _FORMAT or saved["version"] != _VERSION:
                raise KeyError("format")
            for row in saved["environments"]:
                revisions = [Revision(**revision) for revision in row["revisions"]]
                place = (row["organization"], row["project"], row["name"])
                self.store.environments[place] = Environment(*place, revisions)
                self.store.sealer.unseal_text(revisions[-1].text)
        except (KeyError, TypeError, IndexError):
            raise StateFileUnusable(f"{self._path} is no state of this version; move it away") from None
        except ValueError:
            raise StateFileUnusable(
                f"{self._path} was sealed with another key than the one beside it"
            ) from None
