"""The database server goes away and comes back under an open ledger."""

from __future__ import annotations

import pytest

from sophia_infra.inference.ledger import LedgerUnavailable, audit, open_ledger, usage_report
from tests.inference_postgres import needs_postgres, run_postgres
from tests.unit.inference.ledger.books import entry

pytestmark = [needs_postgres, pytest.mark.slow]


def test_calls_fail_while_the_server_is_away_and_work_again_afterwards() -> None:
    """Slow: a server of its own is stopped and started; it buys that dead connections were seen to heal."""
    with run_postgres() as server, open_ledger(server.new_database()) as ledger:
        assert ledger.track(entry("before"))

        server.stop()
        server.start()
        # Nobody called meanwhile, so the kept connections are dead and nobody knows.
        assert ledger.track(entry("unnoticed"))
        assert usage_report(ledger).total.requests == 2

        server.stop()
        with pytest.raises(LedgerUnavailable) as failed:
            ledger.track(entry("meanwhile"))
        assert "postgres@" not in str(failed.value)
        with pytest.raises(LedgerUnavailable):
            usage_report(ledger)
        server.start()
        assert ledger.track(entry("meanwhile"))
        assert ledger.track(entry("before")) is False
        assert audit(ledger) == ()
