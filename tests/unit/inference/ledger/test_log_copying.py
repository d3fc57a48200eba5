"""The log of SQLite goes into its file beside the commits, and nothing of it is lost."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import cast

from sophia_infra.inference.ledger import LedgerUnavailable, open_ledger
from sophia_infra.inference.ledger.database import Database
from sophia_infra.inference.ledger.log_copying import LogCopier
from tests.unit.inference.ledger.books import entry

TIMEOUT_S = 30.0


def test_what_is_committed_reaches_the_file_while_the_ledger_is_open(tmp_path: Path) -> None:
    file = tmp_path / "usage.db"
    with open_ledger(f"sqlite:///{file}") as ledger:
        ledger.database.copy_log()
        ledger.track(entry("one"))
        assert rows_without_log(file, tmp_path) == 0
        ledger.database.copy_log()
        assert rows_without_log(file, tmp_path) == 1


def test_a_writer_in_its_transaction_is_not_disturbed(tmp_path: Path) -> None:
    with open_ledger(f"sqlite:///{tmp_path / 'usage.db'}") as ledger:
        ledger.track(entry("one"))
        with ledger.database.writing() as cursor:
            ledger.database.copy_log()
            cursor.execute("SELECT count(*) FROM usage_entries")
            assert cursor.fetchone() == (1,)


class CountingDatabase:
    """Fails the first time, as a full disk does."""

    def __init__(self, *, is_sqlite: bool = True) -> None:
        self.is_sqlite = is_sqlite
        self.copies = 0
        self.copied = threading.Semaphore(0)

    def copy_log(self) -> None:
        self.copies += 1
        self.copied.release()
        if self.copies == 1:
            raise LedgerUnavailable("full")


def test_it_copies_after_each_note_and_outlives_a_failure() -> None:
    database = CountingDatabase()
    copier = LogCopier(cast(Database, database), every_s=0.0)
    for _ in range(3):
        copier.note_written()
        assert database.copied.acquire(timeout=TIMEOUT_S)
    copier.close()
    assert database.copies in (3, 4)  # one more when it was asked to end while it slept


def test_other_databases_have_no_log_to_copy() -> None:
    database = CountingDatabase(is_sqlite=False)
    copier = LogCopier(cast(Database, database), every_s=0.0)
    copier.note_written()
    copier.close()
    assert database.copies == 0


def rows_without_log(file: Path, folder: Path) -> int:
    """Entries in the file alone, as if its log had been thrown away."""
    copy = folder / "copy.db"
    copy.write_bytes(file.read_bytes())
    with closing(sqlite3.connect(copy)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM usage_entries").fetchone()
    return int(count)
