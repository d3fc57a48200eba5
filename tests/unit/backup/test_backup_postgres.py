"""The restore drill on a real Postgres: fill, copy, destroy, restore, compare every row.

Debian's server, two seconds to start, one for the module.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from sophia_infra.backup import drills
from sophia_infra.backup.creating import PlannedPart
from sophia_infra.backup.databases import DatabaseAddress, parse_address
from sophia_infra.backup.drills import Drill, read_drills, record_drill, run_drill
from sophia_infra.backup.errors import BackupRefused, DatabaseFailed, SetDamaged, SetMissing, TargetOccupied
from sophia_infra.backup.manifest import Manifest
from sophia_infra.backup.postgres import (
    count_objects,
    dump_postgres,
    plain_dump,
    query,
    restore_postgres,
)
from sophia_infra.backup.restoring import SetReader
from sophia_infra.backup.row_digests import rows_of_text
from sophia_infra.backup.verifying import verify_set
from sophia_infra.engine.home import Home
from tests.inference_postgres import PostgresServer, needs_postgres, run_postgres
from tests.unit.backup.material import KEY, NOON, breaking, make_set, part_file, sets_in

pytestmark = needs_postgres

ROWS = 3000
FILL = """
CREATE SCHEMA books;
CREATE TABLE books.entries (id serial PRIMARY KEY, said text NOT NULL, usd numeric(12, 6));
INSERT INTO books.entries (said, usd)
    SELECT E'row\\t' || n || E'\\n\\\\.\\n' || repeat('é', n % 50), n / 7.0 FROM generate_series(1, 3000) n;
CREATE TABLE public.empty_table (id int);
CREATE VIEW books.dear AS SELECT * FROM books.entries WHERE usd > 100;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with run_postgres() as running:
        yield running


@pytest.fixture
def filled(server: PostgresServer) -> DatabaseAddress:
    address = parse_address(server.new_database(), "URL")
    query(address, FILL)
    return address


@pytest.fixture
def empty(server: PostgresServer) -> DatabaseAddress:
    return parse_address(server.new_database(), "URL")


def copied(address: DatabaseAddress, folder: Path, at: datetime = NOON) -> SetReader:
    dump = PlannedPart(
        "database-books",
        "database",
        partial(dump_postgres, address),
        {"database": "books", "server": "postgres"},
    )
    sets = sets_in(folder / "store")
    return SetReader(sets, make_set(sets.store, [dump], at=at), KEY, folder)


def dump_file(folder: Path, manifest: Manifest) -> Path:
    return part_file(folder / "store", manifest, "database-books")


def test_every_row_comes_back_after_the_database_was_destroyed(
    filled: DatabaseAddress, empty: DatabaseAddress, tmp_path: Path
) -> None:
    before = rows_of_text(plain_dump(filled))
    assert before["books.entries"].rows == ROWS
    reader = copied(filled, tmp_path)
    query(empty.named("postgres"), f'DROP DATABASE "{filled.target.rpartition("/")[2]}"')
    with pytest.raises(DatabaseFailed, match="does not exist"):
        count_objects(filled)
    reader.database_to("books", empty, overwrite=False)
    assert rows_of_text(plain_dump(empty)) == before
    assert query(empty, "SELECT count(*) FROM books.dear") == query(
        empty, "SELECT count(*) FROM books.entries WHERE usd > 100"
    )


def test_a_database_that_holds_something_is_filled_only_when_asked(
    filled: DatabaseAddress, empty: DatabaseAddress, tmp_path: Path
) -> None:
    reader = copied(filled, tmp_path)
    query(filled, "DELETE FROM books.entries WHERE id > 10; CREATE TABLE later (id int)")
    with pytest.raises(TargetOccupied, match="is not empty"):
        reader.database_to("books", filled, overwrite=False)
    assert query(filled, "SELECT count(*) FROM books.entries") == "10"
    reader.database_to("books", filled, overwrite=True)
    assert query(filled, "SELECT count(*) FROM books.entries") == str(ROWS)
    assert query(filled, "SELECT count(*) FROM later") == "0", "what the dump does not hold stays"


def test_a_damaged_dump_leaves_the_database_as_it_was(
    filled: DatabaseAddress, empty: DatabaseAddress, tmp_path: Path
) -> None:
    reader = copied(filled, tmp_path)
    file = dump_file(tmp_path, reader.manifest)
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    with pytest.raises(SetDamaged):
        reader.database_to("books", filled, overwrite=True)
    with pytest.raises(SetDamaged):
        reader.database_to("books", empty, overwrite=False)
    assert query(filled, "SELECT count(*) FROM books.entries") == str(ROWS)
    assert count_objects(empty) == 0


def test_a_source_that_breaks_in_the_middle_is_rolled_back(
    filled: DatabaseAddress, empty: DatabaseAddress
) -> None:
    """Half an archive must not become half a database: the program is killed before its input ends."""
    archive = b"".join(dump_postgres(filled))
    half = breaking(archive[: len(archive) * 3 // 4], lambda: SetDamaged("damaged", next_step="x"))
    with pytest.raises(SetDamaged):
        restore_postgres(half, empty, overwrite=False)
    assert count_objects(empty) == 0


def test_a_restore_that_fails_at_its_last_object_leaves_none_of_the_others(
    filled: DatabaseAddress, empty: DatabaseAddress
) -> None:
    query(empty, "CREATE TABLE public.empty_table (mine int)")
    with pytest.raises(DatabaseFailed, match="already exists"):
        restore_postgres(dump_postgres(filled), empty, overwrite=False)
    assert count_objects(empty) == 1


def test_verify_lists_the_objects_of_a_dump(filled: DatabaseAddress, tmp_path: Path) -> None:
    reader = copied(filled, tmp_path)
    (verdict,) = verify_set(sets_in(tmp_path / "store"), reader.manifest, KEY, tmp_path)
    assert verdict.problem is None
    assert "objects, by pg_restore --list" in verdict.found


def test_a_dump_that_fails_is_no_set_and_says_why(server: PostgresServer, tmp_path: Path) -> None:
    absent = parse_address(server.new_database(), "URL").named("not_there")
    with pytest.raises(DatabaseFailed, match='database "not_there" does not exist'):
        copied(absent, tmp_path)
    assert sets_in(tmp_path / "store").listing().sets == ()


def drilled(reader: SetReader, folder: Path, server: DatabaseAddress | None, minutes: int) -> Drill:
    return run_drill(reader, folder, server, now=lambda: NOON + timedelta(minutes=minutes))


def databases(server: DatabaseAddress) -> str:
    return query(server, "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database")


def test_a_drill_restores_beside_the_real_thing_and_measures(
    filled: DatabaseAddress, empty: DatabaseAddress, tmp_path: Path
) -> None:
    reader = copied(filled, tmp_path)
    before = databases(empty)
    drill = drilled(reader, tmp_path, empty, minutes=9)
    # Without a part `configuration` the files could not come back: that alone is said.
    assert drill.problems == (f"Set {reader.manifest.set_id} holds no configuration.",)
    assert drill.databases == {"books": {"tables": 2, "rows": ROWS}}
    assert drill.rpo_s == 9 * 60
    assert drill.rto_s > 0
    assert databases(empty) == before, "the database of the drill is gone"
    home = Home(root=tmp_path, checkout=tmp_path)
    record_drill(home, "staging", drill)
    record_drill(home, "staging", replace(drill, passed=True))
    assert [one.passed for one in read_drills(home, "staging")] == [False, True]


def test_a_drill_of_a_damaged_dump_fails_and_leaves_nothing(
    filled: DatabaseAddress, empty: DatabaseAddress, tmp_path: Path
) -> None:
    reader = copied(filled, tmp_path)
    file = dump_file(tmp_path, reader.manifest)
    file.write_bytes(file.read_bytes()[:-40])
    before = databases(empty)
    drill = drilled(reader, tmp_path, empty, minutes=1)
    assert not drill.passed
    assert any("database-books" in problem for problem in drill.problems)
    assert databases(empty) == before


def test_a_drill_sees_a_row_that_came_back_otherwise(
    filled: DatabaseAddress, empty: DatabaseAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = copied(filled, tmp_path)
    query(filled, "UPDATE books.entries SET usd = usd + 1 WHERE id = 7")
    monkeypatch.setattr(drills, "plain_dump", lambda _restored: plain_dump(filled))
    drill = drilled(reader, tmp_path, empty, minutes=1)
    assert "table books.entries of books did not come back as it was" in drill.problems
    assert not any("empty_table" in problem for problem in drill.problems)


def test_a_drill_needs_a_server_and_a_restore_a_database_of_the_set(
    filled: DatabaseAddress, empty: DatabaseAddress, tmp_path: Path
) -> None:
    reader = copied(filled, tmp_path)
    with pytest.raises(BackupRefused, match="--scratch-url-env"):
        drilled(reader, tmp_path, None, minutes=1)
    with pytest.raises(SetMissing, match="its databases: books"):
        reader.database_to("ledger", empty, overwrite=False)
