"""Which database an address names; the copy of a SQLite file as a stream, and the way back.

A password goes to the programs by their environment: on a command line, every process of the machine sees it.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from sophia_infra.backup.errors import BackupRefused, DatabaseFailed, TargetUnwritable
from sophia_infra.backup.stores import READ_BYTES

__all__ = ["DatabaseAddress", "dump_sqlite", "parse_address", "restore_sqlite"]

_POSTGRES = re.compile(r"postgres(?:ql)?(?:\+[a-z0-9]+)?")


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """One database.

    Attributes:
        server: "postgres" or "sqlite".
        target: of Postgres an address without password for `--dbname`; of SQLite the path of the file.
        password: None when the server wants none, or `~/.pgpass` has it.
    """

    server: Literal["postgres", "sqlite"]
    target: str
    password: str | None = field(default=None, repr=False)

    @property
    def file(self) -> Path:
        """Of SQLite."""
        return Path(self.target)

    def environment(self) -> dict[str, str]:
        """For a program of Postgres. It never asks at a terminal."""
        password = {} if self.password is None else {"PGPASSWORD": self.password}
        return {**os.environ, "LC_ALL": "C", "PGCONNECT_TIMEOUT": "10", **password}

    def without(self, text: str) -> str:
        """`text` of a program without the password."""
        return text.replace(self.password, "***") if self.password else text

    def named(self, database: str) -> DatabaseAddress:
        """Another database of the same Postgres."""
        parts = urlsplit(self.target)
        return DatabaseAddress(self.server, urlunsplit(parts._replace(path=f"/{database}")), self.password)


def parse_address(url: str, source: str) -> DatabaseAddress:
    """Read `postgresql://user:password@host:port/name` (also `postgresql+driver`) or `sqlite:////file`.

    Args:
        source: the variable it comes from, for messages: the address may hold a password.

    Raises:
        BackupRefused.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme == "sqlite" and len(parts.path) > 1:
        return DatabaseAddress("sqlite", unquote(parts.path[1:]))
    if _POSTGRES.fullmatch(parts.scheme) and len(parts.path) > 1:
        user = f"{parts.username}@" if parts.username else ""
        host = parts.netloc.rpartition("@")[2]
        target = urlunsplit(("postgresql", f"{user}{host}", parts.path, parts.query, ""))
        password = unquote(parts.password) if parts.password else None
        return DatabaseAddress("postgres", target, password)
    raise BackupRefused(
        f"{source} holds no address of a database that can be copied.",
        next_step="write postgresql://user:password@host:5432/name, or sqlite:////path/of/file.",
    )


def dump_sqlite(file: Path, scratch: Path) -> Iterator[bytes]:
    """The database as one file, whole and as of one moment, also while others write to it.

    Args:
        scratch: a folder that only we may read; the copy lies there while it is sent.

    Raises DatabaseFailed.
    """
    if not file.is_file():
        raise DatabaseFailed(f"There is no SQLite file {file}.", next_step="correct its address.")
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        copy = Path(folder) / "copy.sqlite"
        try:
            # Not closed by `with` alone: sqlite3's context manager only ends the transaction.
            with (
                closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as source,
                closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
        except sqlite3.Error as error:
            raise DatabaseFailed(
                f"The SQLite file {file} cannot be copied ({error}).", next_step="run it again."
            ) from None
        with copy.open("rb") as stream:
            while chunk := stream.read(READ_BYTES):
                yield chunk


def restore_sqlite(chunks: Iterator[bytes], file: Path) -> int:
    """Write a dump to `file` in one step; return its tables.

    Raises:
        DatabaseFailed: it is not sound, or others use `file`. Nothing was changed.
        TargetUnwritable: the disk does not take it. Nothing was changed.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            draft = Path(folder) / "draft.sqlite"
            with draft.open("wb") as stream:
                for chunk in chunks:
                    stream.write(chunk)
                stream.flush()
                os.fsync(stream.fileno())
            tables = _tables_when_sound(draft)
            draft.chmod(0o600)
            _end_journals(file)
            draft.replace(file)
    except OSError as error:
        raise TargetUnwritable(
            f"{file} cannot be written ({error.strerror or type(error).__name__}). Nothing was restored.",
            next_step="free space there, or correct owner and mode; then run it again.",
        ) from error
    return tables


def _tables_when_sound(draft: Path) -> int:
    try:
        with closing(sqlite3.connect(draft)) as database:
            sound = database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            (tables,) = database.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()
    except sqlite3.Error:
        sound, tables = False, 0
    if not sound:
        raise DatabaseFailed(
            "The dump is no sound SQLite database. Nothing was restored.", next_step="take an older set."
        )
    return int(tables)


def _end_journals(file: Path) -> None:
    """Take away the journals of the file that goes: SQLite would play them into the new one.

    What they hold goes into that file first: killed before the new one takes its place, it lacks nothing.
    """
    if file.exists():
        with closing(sqlite3.connect(file)) as database, contextlib.suppress(sqlite3.DatabaseError):
            (busy, _, _) = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                raise DatabaseFailed(
                    f"Others use {file}. Nothing was restored.", next_step="stop them, then run it again."
                )
    for journal in ("-wal", "-shm", "-journal"):
        file.with_name(file.name + journal).unlink(missing_ok=True)
