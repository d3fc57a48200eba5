"""The four books of one load (callers, ledger, metrics, backends) laid beside each other."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from sophia_infra.inference.call import LOST_TRY
from sophia_infra.inference.ledger import Difference, audit, open_ledger
from sophia_infra.inference.ledger.rows import entry_from_row
from sophia_infra.inference.ledger.schema import usage_entries
from sophia_infra.inference.usage import UsageEntry
from tests.load.asks import LOAD, SHARED
from tests.load.client import Told
from tests.load.stand import Stand, get

__all__ = ["Books", "Line", "compare", "found", "read_books"]

_PAGE = 20_000
_SAMPLE = re.compile(r"^lambda_inference_(cost|tokens)_total\{(.*)\} (\S+)$", re.MULTILINE)
_LONG_AFTER = timedelta(days=1)
_FLOAT_USD = Decimal("1e-8")
"""Prometheus shows floats: sums of dollars this near are one. The cheapest call costs more."""


@dataclass(frozen=True, slots=True)
class Books:
    """What each party wrote down.

    Attributes:
        metrics_usd, metrics_tokens: sums over all labels.
        open_reservations: that were left by the gateway.
        recovered: request ids of those, now booked as unknown.
        differences: windows that do not hold what the entries add up to.
    """

    told: Sequence[Told]
    entries: Sequence[UsageEntry]
    work: Sequence[Any]
    metrics_usd: Decimal
    metrics_tokens: int
    open_reservations: int
    recovered: frozenset[str]
    differences: Sequence[Difference]


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table. `wanted` None is only shown."""

    what: str
    found: int | Decimal
    wanted: int | Decimal | None = None

    @property
    def is_right(self) -> bool:
        return self.wanted is None or self.found == self.wanted


def found(lines: Sequence[Line], what: str) -> int:
    """The number in the row of that name."""
    (line,) = (line for line in lines if line.what.strip() == what)
    return int(line.found)


def read_books(stand: Stand, told: Sequence[Told]) -> Books:
    """Read the metrics, end the gateway, book what it left open, read the ledger and the backends."""
    metrics = get(f"{stand.gateway.url}/metrics").decode()
    stand.gateway.stop()
    with open_ledger(stand.ledger_url) as ledger:
        left = len(ledger.list_reservations())
        recovered = ledger.recover(datetime.now(UTC) + _LONG_AFTER)
        with ledger.database.reading() as connection:
            rows = connection.execute(select(usage_entries)).mappings()
            entries = [entry_from_row(row) for row in rows]
        differences = audit(ledger)
    samples = _SAMPLE.findall(metrics)
    return Books(
        told=told,
        entries=entries,
        work=[entry for mock in stand.mocks.values() for entry in _work_of(mock.url)],
        metrics_usd=sum((Decimal(value) for kind, _, value in samples if kind == "cost"), Decimal(0)),
        metrics_tokens=int(sum(float(value) for kind, _, value in samples if kind == "tokens")),
        open_reservations=left,
        recovered=frozenset(entry.request_id for entry in recovered),
        differences=differences,
    )


def compare(
    books: Books, *, prices: dict[str, tuple[Decimal, Decimal]], in_one_life: bool = True
) -> list[Line]:
    """Every row that must be 0 or equal.

    A caller that lost its connection does not know whether it was served, so its call may stand in the ledger
    or not; what a backend worked for it must stand there.

    Args:
        prices: model -> dollars per million tokens of input and of output.
        in_one_life: one process of the gateway took all calls, so its counters have all of them.
    """
    whole = [told for told in books.told if told.is_whole]
    by_id = Counter(told.request_id for told in books.told if told.request_id)
    entries = {entry.request_id: entry for entry in books.entries}
    good = {request_id: entry for request_id, entry in entries.items() if entry.outcome == "ok"}
    answered = [work for work in books.work if _is_whole(work)]
    times_answered = Counter(
        name for work in answered if (name := work["prompt_start"].split(" ")[0]).startswith(LOAD)
    )
    # An answer from the cache shows the tokens of the first one, and is booked at none.
    worked = [told for told in whole if told.request_id in good and not good[told.request_id].cached]
    unknown = sum(1 for entry in books.entries if entry.outcome == "unknown")
    counted = [entry for entry in books.entries if entry.request_id not in books.recovered]
    priced = [told for told in whole if told.usd and told.request_id in good]
    return [
        Line("calls sent", len(books.told)),
        Line("  answered whole", len(whole)),
        Line("  refused or failed, with an error", sum(1 for t in books.told if t.status and not t.is_whole)),
        Line("  connection lost", sum(1 for told in books.told if not told.status)),
        Line("ledger entries", len(books.entries)),
        Line("  from the cache", sum(1 for entry in books.entries if entry.cached)),
        Line("  failed or cancelled", sum(1 for e in books.entries if e.outcome in ("failed", "cancelled"))),
        Line("  unknown", unknown),
        Line("tries of ledger entries", sum(entry.attempts for entry in books.entries)),
        Line("pieces of work at the backends", len(books.work)),
        Line("  answered in full", len(answered)),
        Line("  tokens of those that broke", sum(_tokens_worked(w) for w in books.work if not _is_whole(w))),
        Line("LOST: answered, not in the ledger", sum(1 for t in whole if t.request_id not in good), 0),
        Line("LOST: worked, not in the ledger", sum(1 for w in books.work if _is_missing(w, entries)), 0),
        Line("LOST: worked for more than is booked", _underbooked(books), 0),
        Line("DOUBLE: calls with one request id", sum(n - 1 for n in by_id.values()), 0),
        Line("DOUBLE: ledger entries", len(books.entries) - len(entries), 0),
        Line("DOUBLE: calls answered in full twice", sum(1 for n in times_answered.values() if n > 1), 0),
        Line("reservations left open, now unknown", books.open_reservations, len(books.recovered)),
        Line("windows that differ from entries", len(books.differences), 0),
        Line("tokens that callers saw", _tokens_told(worked), _tokens(good[t.request_id] for t in worked)),
        Line("entries not at the list price", sum(1 for e in books.entries if not _is_priced(e, prices)), 0),
        Line("dollars that callers saw", _usd_told(priced), _usd(good[t.request_id] for t in priced)),
        *(_of_metrics(books, counted) if in_one_life else ()),
    ]


def _of_metrics(books: Books, counted: Sequence[UsageEntry]) -> list[Line]:
    """What the gateway that runs now has counted; counters begin with a process."""
    return [
        Line("tokens in the metrics", books.metrics_tokens, _tokens(counted)),
        Line("dollars in the metrics", *_as_floats(books.metrics_usd, _usd(counted))),
    ]


def _tokens_told(whole: Sequence[Told]) -> int:
    return sum(told.input_tokens + told.output_tokens for told in whole)


def _tokens(entries: Iterable[UsageEntry]) -> int:
    return sum(entry.tokens.total for entry in entries)


def _usd_told(priced: Sequence[Told]) -> Decimal:
    return sum((Decimal(told.usd) for told in priced), Decimal(0))


def _usd(entries: Iterable[UsageEntry]) -> Decimal:
    return sum((entry.usd for entry in entries), Decimal(0))


def _as_floats(shown: Decimal, exact: Decimal) -> tuple[Decimal, Decimal]:
    return (exact, exact) if abs(shown - exact) < _FLOAT_USD else (shown, exact)


def _is_whole(work: Any) -> bool:
    return bool(work["outcome"] == "answered")


def _tokens_worked(work: Any) -> int:
    tokens: int = work["input_tokens"] + work["output_tokens"]
    return tokens


def _underbooked(books: Books) -> int:
    """Calls without a stream whose backends worked more tokens than their entries hold, lost tries included.

    Of a stream that breaks nobody knows how far its backend got; an error is not billed.
    """
    worked: Counter[str] = Counter()
    for work in books.work:
        if not work["stream"] and work["outcome"] != "refused":
            worked[work["request_id"]] += _tokens_worked(work)
    booked: Counter[str] = Counter()
    for entry in books.entries:
        booked[entry.request_id.partition(LOST_TRY)[0]] += entry.tokens.total
    # Only calls that are in the ledger: one that is not has a row of its own.
    return sum(1 for request_id, tokens in worked.items() if 0 < booked[request_id] < tokens)


def _is_missing(work: Any, entries: dict[str, UsageEntry]) -> bool:
    is_probe = not work["prompt_start"].startswith((LOAD, SHARED))  # the gateway's warm-up is nobody's call
    return not is_probe and work["request_id"] not in entries


def _is_priced(entry: UsageEntry, prices: dict[str, tuple[Decimal, Decimal]]) -> bool:
    if entry.cached:
        return entry.usd == 0
    per_input, per_output = prices[entry.model]
    million = Decimal(1_000_000)
    return (
        entry.input_usd == per_input * entry.tokens.input / million
        and entry.output_usd == per_output * entry.tokens.output / million
    )


def _work_of(url: str) -> Iterator[Any]:
    since = 0
    while page := json.loads(get(f"{url}/_mock/log?since={since}&limit={_PAGE}"))["entries"]:
        yield from page
        since = page[-1]["number"]
