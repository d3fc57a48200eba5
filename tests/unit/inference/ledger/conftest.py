"""A ledger of each kind: a SQLite file, and a database of a real Postgres."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sophia_infra.inference.ledger import Ledger, open_ledger
from tests.inference_postgres import PostgresServer, needs_postgres, run_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for the session: initdb takes two seconds, a new database a twentieth of one."""
    with run_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=[needs_postgres, pytest.mark.slow])])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database. Postgres is marked slow; it buys that its SQL was seen to work."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def open_again(address: str) -> Iterator[Callable[[], Ledger]]:
    """Opens the same books once more, as a second gateway or after a restart."""
    opened: list[Ledger] = []

    def open_one() -> Ledger:
        opened.append(open_ledger(address, gateway_id=f"gateway-{len(opened)}"))
        return opened[-1]

    yield open_one
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(open_again: Callable[[], Ledger]) -> Ledger:
    """Open books."""
    return open_again()
