"""A disk that fails at every moment of a copy and of the way back: nothing half looks whole or is lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from sophia_infra.backup.contents import archive
from sophia_infra.backup.creating import PlannedPart
from sophia_infra.backup.databases import DatabaseAddress, dump_sqlite
from sophia_infra.backup.errors import DatabaseFailed, StoreUnavailable, TargetUnwritable
from sophia_infra.backup.restoring import SetReader
from sophia_infra.backup.verifying import verify_set
from tests.faults.trials import DISK_FAULTS, TRIALS, RecordProperty, disk_error
from tests.unit.backup.material import KEY, NOON, make_set, sets_in, text_part
from tests.unit.backup.test_backup_sqlite import books, count

ROWS_THERE, ROWS_OF_THE_SET = 3, 7


class Killed(BaseException):
    """Stands for SIGKILL."""


class FailingCall:
    """A function of the system that fails from its nth call on."""

    def __init__(self, real: Callable[..., object], at: int, error: BaseException) -> None:
        self.real, self.at, self.error, self.count = real, at, error, 0

    def __call__(self, *arguments: object, **named: object) -> object:
        self.count += 1
        if self.count >= self.at:
            raise self.error
        return self.real(*arguments, **named)

    def __get__(self, instance: object, _owner: object = None) -> Callable[..., object]:
        return lambda *arguments, **named: self(instance, *arguments, **named)


@pytest.mark.parametrize("fault", DISK_FAULTS)
@pytest.mark.parametrize("call", ["fsync", "open"])
def test_a_copy_that_the_disk_does_not_take_is_no_set_and_the_ones_before_stay(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: RecordProperty,
    fault: str,
    call: str,
) -> None:
    trials = 0
    for at in range(1, 50):
        sets = sets_in(tmp_path / str(at))
        before = make_set(sets.store, at=NOON - timedelta(hours=1))
        error = disk_error(fault)
        failing = FailingCall(getattr(os, call), at, error)
        with monkeypatch.context() as patched:
            patched.setattr(os, call, failing)
            try:
                make_set(sets.store, [text_part("images", "[]"), text_part("state", "{}", kind="state")])
            except StoreUnavailable:
                trials += 1
        whole = sets.listing().sets
        assert before.set_id in [one.set_id for one in whole]
        for one in whole:
            assert not [row for row in verify_set(sets, one, KEY, tmp_path) if row.problem], at
        if failing.count < at:
            break
    assert trials > 2
    record_property(TRIALS, trials)


def reader_of(folder: Path) -> SetReader:
    file = folder / "source.sqlite"
    if not file.exists():
        books(file, ROWS_OF_THE_SET)
    configuration = PlannedPart("configuration", "configuration", lambda: _archive_of(folder))
    part = PlannedPart(
        "database-ledger",
        "database",
        lambda: dump_sqlite(file, folder),
        {"database": "ledger", "server": "sqlite"},
    )
    sets = sets_in(folder / "store")
    return SetReader(sets, make_set(sets.store, [configuration, part]), KEY, folder)


@pytest.mark.parametrize("fault", [*DISK_FAULTS, "kill -9"])
@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.unlink", "pathlib.Path.replace"])
def test_a_database_that_cannot_be_brought_back_whole_stays_as_it_was(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: RecordProperty,
    fault: str,
    call: str,
) -> None:
    """What is there has rows in its log alone, as after a kill; none of them may go before all of it goes."""
    reader = reader_of(tmp_path)
    trials = 0
    for at in range(1, 10):
        target = tmp_path / f"{at}" / "there.sqlite"
        _with_rows_in_the_log(target)
        error = Killed() if fault == "kill -9" else disk_error(fault)
        owner, name = (os, "fsync") if call == "os.fsync" else (Path, call.rpartition(".")[2])
        failing = FailingCall(getattr(owner, name), at, error)
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, failing)
            try:
                reader.database_to("ledger", DatabaseAddress("sqlite", str(target)), overwrite=True)
            except (TargetUnwritable, Killed):
                trials += 1
        if failing.count < at:
            assert count(target) == ROWS_OF_THE_SET
            break
        assert count(target) == ROWS_THERE, f"rows were lost at call {at}"
        reader.database_to("ledger", DatabaseAddress("sqlite", str(target)), overwrite=True)
        assert count(target) == ROWS_OF_THE_SET
    assert trials > 0
    record_property(TRIALS, trials)


def test_a_database_that_others_write_is_not_replaced_under_them(tmp_path: Path) -> None:
    reader = reader_of(tmp_path)
    target = tmp_path / "there.sqlite"
    books(target, ROWS_THERE)
    with closing(sqlite3.connect(target)) as gateway:
        gateway.execute("BEGIN IMMEDIATE")
        gateway.execute("INSERT INTO usage VALUES (99, '1')")
        with pytest.raises(DatabaseFailed, match="Others use"):
            reader.database_to("ledger", DatabaseAddress("sqlite", str(target)), overwrite=True)
        gateway.commit()
    assert count(target) == ROWS_THERE + 1


@pytest.mark.parametrize("fault", DISK_FAULTS)
def test_files_that_the_disk_does_not_take_leave_no_folder_that_looks_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: RecordProperty, fault: str
) -> None:
    reader = reader_of(tmp_path)
    error = disk_error(fault)
    trials = 0
    for owner, name in ((Path, "rename"), (os, "open"), (os, "mkdir")):
        target = tmp_path / f"back-{name}"
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, FailingCall(getattr(owner, name), 1, error))
            with pytest.raises(TargetUnwritable):
                reader.files_to(target, overwrite=False)
        assert not target.exists()
        trials += 1
        assert reader.files_to(target, overwrite=False) == 1
    record_property(TRIALS, trials)


def _archive_of(folder: Path) -> Iterator[bytes]:
    file = folder / "Pulumi.yaml"
    file.write_text("name: sophia\n")
    return archive({"checkout/Pulumi.yaml": file}, folder)


def _with_rows_in_the_log(target: Path) -> None:
    target.parent.mkdir()
    draft = target.with_name("draft")
    with closing(sqlite3.connect(draft)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE usage (id INTEGER, usd TEXT)")
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        writer.executemany("INSERT INTO usage VALUES (?, ?)", [(row, "0.25") for row in range(ROWS_THERE)])
        writer.commit()
        # Copied as it lies there while its writer lives, as after a kill.
        for ending in ("", "-wal"):
            shutil.copy(f"{draft}{ending}", f"{target}{ending}")
