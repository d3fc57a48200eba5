"""Opening the books: addresses, files, and the form of the tables."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from sophia_infra.inference import ledger as room
from sophia_infra.inference.ledger import (
    Ledger,
    LedgerAddressWrong,
    LedgerTooNew,
    LedgerUnavailable,
    open_ledger,
)
from sophia_infra.inference.ledger.migrating import HEAD, MIGRATIONS, schema_version
from sophia_infra.inference.ledger.schema import metadata
from tests.unit.inference.ledger.books import entry

SECRET = "sw0rdfish"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("no url", "no URL"),
        (f"mysql://ann:{SECRET}@host/db", "not in mysql"),
        (f"postgresql+nothing://ann:{SECRET}@host/db", "driver"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////nowhere/at/all/ledger.db", "No such file or directory"),
        ("sqlite:////", "Is a directory"),
    ],
)
def test_an_address_that_cannot_be_right_is_refused_without_its_password(address: str, message: str) -> None:
    with pytest.raises(LedgerAddressWrong, match=message) as refused:
        open_ledger(address)
    assert SECRET not in str(refused.value)
    assert refused.value.fault == "operator"


def test_a_database_that_does_not_answer_is_unavailable_and_its_password_unsaid() -> None:
    with pytest.raises(LedgerUnavailable) as refused:
        open_ledger(f"postgres://ann:{SECRET}@127.0.0.1:1/books")
    assert SECRET not in str(refused.value)
    assert refused.value.retry
    assert refused.value.__cause__ is None


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("this is a letter, and no database" * 100)
    with pytest.raises(LedgerUnavailable, match="not a database"):
        open_ledger(f"sqlite:///{tmp_path}/ledger.db")


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        ledger.track(entry())
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize(("query", "level"), [("", 1), ("?durable=yes", 2)])
def test_durable_waits_for_the_disk(tmp_path: Path, query: str, level: int) -> None:
    with (
        open_ledger(f"sqlite:///{tmp_path}/ledger.db{query}") as ledger,
        ledger.database.reading() as connection,
    ):
        assert connection.execute(text("PRAGMA synchronous")).scalar() == level
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"


def test_many_who_open_new_books_at_once_make_the_tables_once(address: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        ledgers = list(pool.map(lambda _: open_ledger(address), range(8)))
    for number, ledger in enumerate(ledgers):
        assert ledger.track(entry(f"r{number}"))
        ledger.close()


def test_books_of_a_newer_form_are_refused_and_left_alone(
    ledger: Ledger, open_again: Callable[[], Ledger]
) -> None:
    with ledger.database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    with pytest.raises(LedgerTooNew, match=rf"form 0999; this sophia-infra knows up to {HEAD}"):
        open_again()
    with ledger.database.reading() as connection:
        assert schema_version(connection) == "0999"


def test_the_migrations_make_the_tables_that_the_code_uses(ledger: Ledger) -> None:
    with ledger.database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_newest_migration_is_the_form_that_the_code_knows() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_every_public_name_is_there() -> None:
    for name in room.__all__:
        assert getattr(room, name) is not None
    with pytest.raises(AttributeError):
        room.nothing  # noqa: B018
