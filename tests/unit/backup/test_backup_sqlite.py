"""SQLite: a copy as of one moment while others write, and back in one step."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sophia_infra.backup.creating import PlannedPart
from sophia_infra.backup.databases import DatabaseAddress, dump_sqlite, restore_sqlite
from sophia_infra.backup.errors import BackupRefused, DatabaseFailed, TargetOccupied
from sophia_infra.backup.restoring import SetReader
from tests.unit.backup.material import KEY, make_set, sets_in


def books(file: Path, rows: int) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE usage (id INTEGER, usd TEXT)")
        database.executemany("INSERT INTO usage VALUES (?, ?)", [(row, "0.25") for row in range(rows)])


def count(file: Path) -> int:
    with closing(sqlite3.connect(file)) as database:
        return int(database.execute("SELECT count(*) FROM usage").fetchone()[0])


def test_a_copy_holds_what_was_committed_and_nothing_of_an_open_transaction(tmp_path: Path) -> None:
    file = tmp_path / "a ?#%.sqlite"
    books(file, 100)
    with closing(sqlite3.connect(file)) as writer:
        writer.execute("INSERT INTO usage VALUES (100, '9')")
        dump = b"".join(dump_sqlite(file, tmp_path))
        writer.commit()
    assert restore_sqlite(iter([dump]), tmp_path / "back.sqlite") == 1
    assert count(tmp_path / "back.sqlite") == 100
    assert count(file) == 101
    assert (tmp_path / "back.sqlite").stat().st_mode & 0o777 == 0o600


def reader_of(tmp_path: Path) -> SetReader:
    file = tmp_path / "usage.sqlite"
    books(file, 7)
    part = PlannedPart(
        "database-ledger",
        "database",
        lambda: dump_sqlite(file, tmp_path),
        {"database": "ledger", "server": "sqlite"},
    )
    sets = sets_in(tmp_path / "store")
    return SetReader(sets, make_set(sets.store, [part]), KEY, tmp_path)


def test_a_file_that_is_there_is_overwritten_only_when_asked(tmp_path: Path) -> None:
    reader = reader_of(tmp_path)
    target = tmp_path / "there.sqlite"
    books(target, 3)
    address = DatabaseAddress("sqlite", str(target))
    with pytest.raises(TargetOccupied):
        reader.database_to("ledger", address, overwrite=False)
    assert count(target) == 3
    reader.database_to("ledger", address, overwrite=True)
    assert count(target) == 7


def test_a_dump_goes_to_no_server_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="is of sqlite; the address names postgres"):
        reader_of(tmp_path).database_to("ledger", DatabaseAddress("postgres", "x"), overwrite=True)


def test_what_is_no_database_is_refused_before_anything_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "there.sqlite"
    books(target, 3)
    with pytest.raises(DatabaseFailed, match="no sound SQLite"):
        restore_sqlite(iter([b"no database at all" * 100]), target)
    assert count(target) == 3
    with pytest.raises(DatabaseFailed, match="There is no SQLite file"):
        b"".join(dump_sqlite(tmp_path / "none", tmp_path))
