"""The copy to Snowflake, with fakesnow behind Snowflake's own connector."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.inference.ledger import (
    Ledger,
    LedgerAddressWrong,
    LedgerUnavailable,
    SnowflakeCopy,
    copy_to_snowflake,
    open_ledger,
)
from tests.unit.inference.ledger.books import entry

ADDRESS = "snowflake://ann:sw0rdfish@account/books/usage?warehouse=small"

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result:UserWarning")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db") as opened:
        for number in range(5):
            opened.track(entry(f"r{number}", "0.000000000001", session_id=None if number else "ü%s"))
        yield opened


@pytest.fixture(scope="module")
def connector() -> Any:
    """Snowflake's own. It brings pandas: imported above, every worker of every run would wait for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import snowflake.connector
    return snowflake.connector


@pytest.fixture
def ask(connector: Any) -> Iterator[Callable[[str], list[Any]]]:
    """Snowflake, and a way to ask it."""

    def answer(question: str) -> list[Any]:
        with (
            closing(connector.connect(database="books", schema="usage")) as connection,
            closing(connection.cursor()) as cursor,
        ):
            cursor.execute(question)
            return list(cursor.fetchall())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import fakesnow

        with fakesnow.patch():
            yield answer


def test_a_second_run_copies_what_came_since_and_nothing_twice(
    ledger: Ledger, ask: Callable[[str], list[Any]]
) -> None:
    assert copy_to_snowflake(ledger, ADDRESS, batch=2) == SnowflakeCopy(read=5, written=5)
    assert copy_to_snowflake(ledger, ADDRESS) == SnowflakeCopy(read=0, written=0)
    ledger.track(entry("r5", "1.5"))
    assert copy_to_snowflake(ledger, ADDRESS) == SnowflakeCopy(read=1, written=1)
    rows = ask('SELECT "request_id", "input_usd" + "output_usd" FROM usage_entries ORDER BY 1')
    assert [row[0] for row in rows] == ["r0", "r1", "r2", "r3", "r4", "r5"]
    assert sum(row[1] for row in rows) == Decimal("1.500000000005")


def test_values_arrive_as_they_are(ledger: Ledger, ask: Callable[[str], list[Any]]) -> None:
    copy_to_snowflake(ledger, ADDRESS)
    rows = ask(
        'SELECT "output_usd", "session_id", "at", "cached" FROM usage_entries WHERE "request_id" = \'r0\''
    )
    assert rows == [(Decimal("0.000000000001"), "ü%s", entry().at, False)]


def test_a_lost_cursor_doubles_nothing(ledger: Ledger, ask: Callable[[str], list[Any]]) -> None:
    copy_to_snowflake(ledger, ADDRESS)
    ask("DELETE FROM usage_copies")
    assert copy_to_snowflake(ledger, ADDRESS) == SnowflakeCopy(read=5, written=0)
    assert ask("SELECT COUNT(*) FROM usage_entries") == [(5,)]


def test_two_ledgers_keep_cursors_of_their_own(
    ledger: Ledger, tmp_path: Path, ask: Callable[[str], list[Any]]
) -> None:
    copy_to_snowflake(ledger, ADDRESS)
    with open_ledger(f"sqlite:///{tmp_path}/second.db") as second:
        second.track(entry("other"))
        assert copy_to_snowflake(second, ADDRESS, source="second") == SnowflakeCopy(read=1, written=1)
    assert sorted(ask("SELECT source, last_entry_number FROM usage_copies")) == [
        ("gateway", 5),
        ("second", 1),
    ]


def test_what_snowflake_refuses_is_one_sentence_without_the_password(
    ledger: Ledger, connector: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**parameters: object) -> None:
        raise connector.errors.DatabaseError("wrong password sw0rdfish", errno=250001)

    monkeypatch.setattr(connector, "connect", refuse)
    with pytest.raises(LedgerUnavailable, match="DatabaseError, 250001") as refused:
        copy_to_snowflake(ledger, ADDRESS)
    assert "sw0rdfish" not in str(refused.value)


@pytest.mark.parametrize(
    "address", ["no url", "sqlite:///x.db", "snowflake://ann@account", "snowflake://a/b/c"]
)
def test_an_address_that_lacks_something_is_refused(ledger: Ledger, address: str) -> None:
    with pytest.raises(LedgerAddressWrong, match="Snowflake"):
        copy_to_snowflake(ledger, address)
