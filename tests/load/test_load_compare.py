"""The comparison of the books finds what it is there for: each test takes or adds one thing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from sophia_infra.inference.usage import Tokens, UsageEntry
from tests.load.asks import Ask
from tests.load.books import Books, compare
from tests.load.client import Told

PRICES = {"m": (Decimal("0.10"), Decimal("0.30"))}
CENTS = (Decimal("0.000001"), Decimal("0.0000015"))


def entry(number: int, **further: Any) -> UsageEntry:
    values = {"outcome": "ok", "backend": "one", "tokens": Tokens(10, 5), **further}
    return UsageEntry(
        request_id=f"r{number}",
        at=datetime(2026, 9, 14, tzinfo=UTC),
        user="load",
        model="m",
        input_usd=CENTS[0],
        output_usd=CENTS[1],
        **values,
    )


def told(number: int) -> Told:
    ask = Ask(number, "plain", "m", "/", b"", f"load-{number:07d}")
    return Told(ask, 200, True, f"r{number}", 10, 5, str(sum(CENTS)))


def work(number: int, **further: Any) -> dict[str, Any]:
    return {
        "request_id": f"r{number}",
        "prompt_start": f"load-{number:07d} word",
        "outcome": "answered",
        "stream": False,
        "input_tokens": 10,
        "output_tokens": 5,
        **further,
    }


def right() -> Books:
    return Books(
        told=[told(1), told(2)],
        entries=[entry(1), entry(2)],
        work=[work(1), work(2), work(9, prompt_start="warm-up")],
        metrics_usd=2 * sum(CENTS, Decimal(0)),
        metrics_tokens=30,
        open_reservations=0,
        recovered=frozenset(),
        differences=(),
    )


def wrong(books: Books) -> list[str]:
    return [line.what for line in compare(books, prices=PRICES) if not line.is_right]


def test_books_that_agree_are_right() -> None:
    assert wrong(right()) == []


def test_a_lost_try_is_right_when_it_has_a_line_of_its_own() -> None:
    lost = dataclasses.replace(entry(1, outcome="unknown"), request_id="r1:lost1")
    books = dataclasses.replace(
        right(),
        entries=[entry(1), entry(2), lost],
        work=[*right().work, work(1, outcome="cut", output_tokens=4)],
        metrics_usd=3 * sum(CENTS, Decimal(0)),
        metrics_tokens=45,
    )
    assert wrong(books) == []


def test_a_call_that_was_lost_with_its_caller_is_right_when_it_is_booked_as_unknown() -> None:
    books = dataclasses.replace(
        right(),
        told=[told(1), Told(told(2).ask)],
        entries=[entry(1), entry(2, outcome="unknown")],
        metrics_usd=sum(CENTS, Decimal(0)),
        metrics_tokens=15,
        open_reservations=1,
        recovered=frozenset({"r2"}),
    )
    assert wrong(books) == []


@pytest.mark.parametrize(
    ("change", "finds"),
    [
        (lambda books: {"entries": books.entries[:1]}, "LOST: answered, not in the ledger"),
        (lambda books: {"work": [*books.work, work(3)]}, "LOST: worked, not in the ledger"),
        (
            lambda books: {"work": [*books.work, work(1, outcome="cut")]},
            "LOST: worked for more than is booked",
        ),
        (lambda books: {"told": [*books.told, told(1)]}, "DOUBLE: calls with one request id"),
        (lambda books: {"entries": [*books.entries, entry(1)]}, "DOUBLE: ledger entries"),
        (lambda books: {"work": [*books.work, work(1)]}, "DOUBLE: calls answered in full twice"),
        (lambda books: {"open_reservations": 1}, "reservations left open, now unknown"),
        (lambda books: {"differences": ("a window",)}, "windows that differ from entries"),
        (
            lambda books: {"entries": [entry(1), entry(2, tokens=Tokens(10, 6))]},
            "entries not at the list price",
        ),
        (lambda books: {"metrics_tokens": 29}, "tokens in the metrics"),
        (lambda books: {"metrics_usd": Decimal("0.0000051")}, "dollars in the metrics"),
        (
            lambda books: {"told": [told(1), dataclasses.replace(told(2), usd="0")]},
            "dollars that callers saw",
        ),
        (
            lambda books: {"told": [told(1), dataclasses.replace(told(2), output_tokens=6)]},
            "tokens that callers saw",
        ),
    ],
)
def test_one_wrong_thing_is_found(change: Callable[[Books], dict[str, Any]], finds: str) -> None:
    books = right()
    assert finds in wrong(dataclasses.replace(books, **change(books)))
