"""Reports and totals: exact sums, shares, days in UTC, and unknown calls apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from sophia_infra.inference.ledger import Ledger, audit, usage_report
from sophia_infra.inference.usage import Tokens
from tests.unit.inference.ledger.books import NOON, entry, reservation


@pytest.fixture
def used(ledger: Ledger) -> Ledger:
    """Four calls; the last one, of yesterday, died."""
    ledger.track(entry("r1", "0.10"))
    ledger.track(entry("r2", "0.20", user="bob", model="qwen-3-32b"))
    ledger.track(entry("r3", "0.70", backend="other"))
    ledger.reserve(reservation("r4", "1.00", at=NOON - timedelta(hours=13)))
    ledger.recover(NOON)
    return ledger


def test_models_come_with_tokens_dollars_and_share(used: Ledger) -> None:
    report = usage_report(used, "model")
    scout, qwen = report.rows
    assert (scout.name, scout.requests, scout.usd) == ("llama-4-scout-17b-16e-instruct", 3, Decimal("1.80"))
    assert scout.tokens == Tokens(120, 240)
    assert (qwen.name, qwen.usd, qwen.share) == ("qwen-3-32b", Decimal("0.20"), Decimal("0.1000"))
    assert scout.share == Decimal("0.9000")
    assert (report.total.requests, report.total.usd) == (4, Decimal(2))
    assert report.total.share == 1
    assert (report.total.unknown_requests, report.total.unknown_usd) == (1, Decimal(1))


def test_days_are_those_of_utc_in_their_order(used: Ledger) -> None:
    rows = usage_report(used, "day").rows
    assert [(row.name, row.usd, row.unknown_usd) for row in rows] == [
        ("2026-11-23", Decimal(1), Decimal(1)),
        ("2026-11-24", Decimal(1), Decimal(0)),
    ]


@pytest.mark.parametrize(
    ("by", "expected"),
    [("user", [("ann", "1.80"), ("bob", "0.20")]), ("backend", [("own", "1.30"), ("other", "0.70")])],
)
def test_the_most_expensive_comes_first(used: Ledger, by: str, expected: list[tuple[str, str]]) -> None:
    rows = usage_report(used, by).rows  # type: ignore[arg-type]
    assert [(row.name, f"{row.usd:.2f}") for row in rows] == expected


def test_a_report_begins_at_since_and_ends_before_until(used: Ledger) -> None:
    assert usage_report(used, since=NOON).total.requests == 3
    assert usage_report(used, until=NOON).total.requests == 1
    assert usage_report(used, since=NOON - timedelta(hours=13), until=NOON).total.usd == 1


def test_an_empty_ledger_has_an_empty_report(ledger: Ledger) -> None:
    report = usage_report(ledger)
    assert report.rows == ()
    assert (report.total.usd, report.total.share) == (Decimal(0), Decimal(0))


def test_sums_of_pico_dollars_stay_exact(ledger: Ledger) -> None:
    """Floats lose the pico-dollar beside a million."""
    for number in range(3):
        made = entry(f"r{number}", "1000000")
        ledger.track(replace(made, input_usd=Decimal("0.000000000001")))
    assert usage_report(ledger).total.usd == Decimal("3000000.000000000003")


def test_an_audit_names_the_window_that_is_wrong(used: Ledger) -> None:
    with used.database.engine.begin() as connection:
        connection.execute(
            text("UPDATE budget_windows SET spent_usd = spent_usd + 1 WHERE scope = 'all' AND period = 'day'")
        )
    differences = audit(used)
    assert {(item.key.scope, item.key.window) for item in differences} == {("all", "day")}
    assert all(item.kept.spent_usd > item.counted.spent_usd for item in differences)
