"""Where sets lie: a folder (a mounted Lambda filesystem) or a bucket. Both take a file whole or not."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Protocol

from sophia_infra.backup.errors import StoreUnavailable
from sophia_infra.engine.home import make_private_folder

__all__ = ["READ_BYTES", "FolderStore", "Store"]

READ_BYTES: Final = 1 << 20


class Store(Protocol):
    """Files by name, names with `/` as folders. Every method raises StoreUnavailable."""

    @property
    def place(self) -> str:
        """Where it is, for people."""

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write a file; when `chunks` raises, or this process dies, there is no such file afterwards."""

    def get(self, name: str) -> Iterator[bytes]:
        """The bytes of a file. Raises FileNotFoundError when there is none."""

    def names(self, folder: str) -> list[str]:
        """All whole files below `folder`, with their full names, sorted."""

    def delete(self, name: str) -> None:
        """Delete one file; one that is gone is deleted."""

    def delete_folder(self, folder: str) -> None:
        """Delete everything below `folder`, also what was left half written."""


class FolderStore:
    """A folder of this machine. Files have mode 0600, folders 0700.

    Args:
        must_exist: a folder that is not there is a filesystem that is not mounted: nothing is written to the
            disk below it, and nobody is told that there are no copies.
    """

    def __init__(self, root: Path, *, must_exist: bool = False) -> None:
        self._root, self._must_exist = root, must_exist

    @property
    def place(self) -> str:
        return str(self._root)

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        file = self._root / name
        draft = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}.partial")
        self._look()
        try:
            make_private_folder(file.parent)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise self._unavailable("written", error) from error
        try:
            with os.fdopen(descriptor, "wb") as stream:
                for chunk in chunks:
                    with self._reporting("written"):
                        stream.write(chunk)
                with self._reporting("written"):
                    stream.flush()
                    os.fsync(stream.fileno())
            with self._reporting("written"):
                draft.replace(file)
                _sync_folder(file.parent)
        finally:
            draft.unlink(missing_ok=True)

    def get(self, name: str) -> Iterator[bytes]:
        try:
            stream = (self._root / name).open("rb")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._unavailable("read", error) from error
        with stream:
            while True:
                with self._reporting("read"):
                    chunk = stream.read(READ_BYTES)
                if not chunk:
                    return
                yield chunk

    def names(self, folder: str) -> list[str]:
        self._look()
        with self._reporting("read"):
            found = (path for path in (self._root / folder).rglob("*") if path.is_file())
            return sorted(
                path.relative_to(self._root).as_posix() for path in found if path.suffix != ".partial"
            )

    def delete(self, name: str) -> None:
        with self._reporting("changed"):
            (self._root / name).unlink(missing_ok=True)

    def delete_folder(self, folder: str) -> None:
        with self._reporting("changed"), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._root / folder)

    def _look(self) -> None:
        if self._root.is_dir() if self._must_exist else not self._root.is_file():
            return
        raise StoreUnavailable(
            f"There is no folder {self._root}, the place of the copies.",
            next_step="mount the filesystem; the first time make the folder on it.",
        )

    @contextlib.contextmanager
    def _reporting(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._unavailable(done, error) from error

    def _unavailable(self, done: str, error: OSError) -> StoreUnavailable:
        return StoreUnavailable(
            f"The folder {self._root} cannot be {done} ({error.strerror or type(error).__name__}).",
            next_step="mount it, free space, or correct its owner and mode; then run it again.",
        )


def _sync_folder(folder: Path) -> None:
    """Have the new name on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
