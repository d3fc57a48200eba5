"""Dollars and tokens as counters that are exact inside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from sophia_infra.inference.usage import Tokens, UsageEntry

__all__ = ["MoneyCounters"]

_LABELS = ("model", "backend", "user", "kind")
_NO_TOKENS = Tokens(0, 0)


@dataclass(slots=True)
class _Sum:
    tokens: Tokens = _NO_TOKENS
    input_usd: Decimal = Decimal(0)
    output_usd: Decimal = Decimal(0)

    def add(self, tokens: Tokens, input_usd: Decimal, output_usd: Decimal) -> None:
        self.tokens += tokens
        self.input_usd += input_usd
        self.output_usd += output_usd


class MoneyCounters(Collector):
    """`lambda_inference_cost_total` (dollars) and `lambda_inference_tokens_total`.

    Sums are Decimal and become floats only when somebody reads them, so a million small costs add up.

    They begin at 0 with the process, as Prometheus expects of counters. Going on from the ledger's totals
    would count the calls of every other gateway on the same ledger again at each restart. A series that
    appears with its first call would hide that call from `increase()`, so those that can come are there from
    the start.

    Args:
        known: (model, backend, user) of calls that can come.
    """

    def __init__(self, known: Iterable[tuple[str, str, str]] = ()) -> None:
        self._sums: dict[tuple[str, str, str], _Sum] = {key: _Sum() for key in known}

    def add(self, entry: UsageEntry) -> None:
        """Count one line of the ledger, exactly as it was written."""
        self._sum(entry.model, entry.backend, entry.user).add(entry.tokens, entry.input_usd, entry.output_usd)

    def collect(self) -> Iterator[Metric]:
        """For prometheus-client."""
        cost = CounterMetricFamily(
            "lambda_inference_cost", "Dollars, as the ledger has them, over all time.", labels=_LABELS
        )
        tokens = CounterMetricFamily(
            "lambda_inference_tokens", "Tokens, as the ledger has them, over all time.", labels=_LABELS
        )
        for labels, one in list(self._sums.items()):
            cost.add_metric([*labels, "input"], float(one.input_usd))
            cost.add_metric([*labels, "output"], float(one.output_usd))
            tokens.add_metric([*labels, "input"], one.tokens.input)
            tokens.add_metric([*labels, "output"], one.tokens.output)
        yield cost
        yield tokens

    def _sum(self, model: str, backend: str, user: str) -> _Sum:
        key = (model, backend, user)
        if key not in self._sums:
            self._sums[key] = _Sum()
        return self._sums[key]
