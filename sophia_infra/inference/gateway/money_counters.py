"""Dollars and tokens as counters that are exact inside and go on after a restart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from sophia_infra.inference.usage import Outcome, Tokens, UsageEntry

__all__ = ["MoneyCounters", "StartTotal"]

_LABELS = ("model", "backend", "user", "kind")
_NO_TOKENS = Tokens(0, 0)


class StartTotal(Protocol):
    """What the ledger holds for one model, backend, user and outcome."""

    @property
    def model(self) -> str: ...
    @property
    def backend(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def outcome(self) -> Outcome: ...
    @property
    def requests(self) -> int: ...
    @property
    def tokens(self) -> Tokens: ...
    @property
    def input_usd(self) -> Decimal: ...
    @property
    def output_usd(self) -> Decimal: ...


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

    Sums are Decimal and become floats only when somebody reads them, so a million small costs add up. A
    counter that started at 0 after each restart would show the money of the day as less than it is. Several
    gateways on one ledger all start from its totals: add up their increases, not their values.
    """

    def __init__(self, totals: Iterable[StartTotal] = ()) -> None:
        self._sums: dict[tuple[str, str, str], _Sum] = {}
        for total in totals:
            self._sum(total.model, total.backend, total.user).add(
                total.tokens, total.input_usd, total.output_usd
            )

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
