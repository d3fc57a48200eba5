"""Where a load is read from: a Prometheus range query, or the calls in the usage ledger."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from sophia_infra.scaling.errors import SettingsRefused, SourceRefused, SourceUnavailable
from sophia_infra.scaling.series import Series, align_down, make_series

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Table

    from sophia_infra.inference.ledger.store import Ledger

__all__ = ["REQUEST_RATE", "LedgerSource", "PrometheusSource", "SeriesSource"]

REQUEST_RATE: Final = "sum(rate(lambda_inference_requests_total[5m]))"
"""Calls per second through all gateways."""

_MOST_POINTS: Final = 10_000
"""Prometheus refuses more than 11,000 points of one series in an answer."""


class SeriesSource(Protocol):
    """Something that measured a load."""

    def read(self, start_s: float, end_s: float, step_s: int) -> Series:
        """The load of the steps from `start_s` to `end_s`, both aligned down to a step.

        Raises:
            SourceUnavailable: no answer; nothing is known. SourceRefused: the question cannot be answered.
            SeriesRefused: the answer is no load.
        """
        ...


@dataclass(frozen=True, slots=True)
class PrometheusSource:
    """One series by a range query.

    A sample at a moment stands for the step that ends then, as the value of `rate(x[5m])` does.

    Attributes:
        url: of the server, for example http://prometheus-operated.monitoring:9090.
        query: PromQL whose answer is one series without negative values.

    Inside of a cluster http is fine, but not with a token (PROMETHEUS_TOKEN).
    """

    url: str
    query: str = REQUEST_RATE

    def read(self, start_s: float, end_s: float, step_s: int) -> Series:
        start, end = _span(start_s, end_s, step_s)
        values = np.full((end - start) // step_s, np.nan)
        for first in range(0, len(values), _MOST_POINTS):
            behind = min(len(values), first + _MOST_POINTS)
            begin_s, last_s = start + (first + 1) * step_s, start + behind * step_s
            for at_s, value in self._samples(begin_s, last_s, step_s):
                place = round((at_s - start) / step_s) - 1
                if first <= place < behind:
                    values[place] = value
        return make_series(start, step_s, values)

    def _samples(self, begin_s: int, last_s: int, step_s: int) -> tuple[tuple[float, float], ...]:
        from sophia_infra.metrics_client.errors import MetricsError
        from sophia_infra.metrics_client.prometheus import PrometheusApi

        try:
            server = PrometheusApi.from_environment(self.url, plain_http=True)
            with contextlib.closing(server):
                rows = server.query_range(self.query, begin_s, last_s, step_s)
        except MetricsError as error:
            if error.retry:
                raise SourceUnavailable(
                    error.message,
                    next_step="look whether it runs; nothing is scaled by a forecast until it answers.",
                ) from None
            raise SourceRefused(error.message, next_step=error.next_step) from None
        if len(rows) > 1:
            raise SourceRefused(
                f"{server.source} answers {self.query!r} with {len(rows)} series.",
                next_step="give a query whose answer is one series, such as " + REQUEST_RATE,
            )
        return rows[0].points if rows else ()


@dataclass(frozen=True, slots=True)
class LedgerSource:
    """Calls per second out of the usage ledger, by the time they were taken: those that are booked, and those
    that still run, whose reservation is open.

    The ledger knows no gaps: a step without calls is a load of 0, also while no gateway ran. Only before its
    first entry nothing was measured.

    Attributes:
        ledger: the books.
        only: columns that have to have a value, such as {"backend": "own"}: model, backend or user.
    """

    ledger: Ledger
    only: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.only:
            if name not in ("model", "backend", "user"):
                raise SettingsRefused(
                    f"The ledger cannot be narrowed by {name!r}.",
                    next_step="choose from model, backend and user.",
                )

    def read(self, start_s: float, end_s: float, step_s: int) -> Series:
        """Raises LedgerUnavailable (of the ledger's room) when the database does not answer."""
        from sqlalchemy import func, select

        from sophia_infra.inference.ledger.schema import reservations, usage_entries

        start, end = _span(start_s, end_s, step_s)
        values = np.zeros((end - start) // step_s)
        with self.ledger.database.reading() as connection:
            first = connection.execute(select(func.min(usage_entries.c.at))).scalar_one()
            for table in (usage_entries, reservations):
                step = _step_number(self.ledger, table, start, step_s).label("step")
                query = (
                    select(step, func.count().label("calls"))
                    .where(table.c.at >= _moment(start), table.c.at < _moment(end))
                    .group_by(step)
                )
                for name, value in self.only.items():
                    query = query.where(table.c[name] == value)
                for row in connection.execute(query):
                    values[int(row.step)] += row.calls / step_s
        unknown = len(values) if first is None else int((first.timestamp() - start) // step_s)
        values[: max(0, unknown)] = np.nan
        return make_series(start, step_s, values)


def _step_number(ledger: Ledger, table: Table, start_s: int, step_s: int) -> ColumnElement[Any]:
    """The number of the step in which an entry was taken, counted by the database."""
    from sqlalchemy import Integer, cast, func

    if ledger.database.is_sqlite:
        taken_s: ColumnElement[Any] = cast(func.strftime("%s", table.c.at), Integer)
        return (taken_s - start_s) // step_s
    return cast(func.floor((func.extract("epoch", table.c.at) - start_s) / step_s), Integer)


def _moment(at_s: int) -> datetime:
    return datetime.fromtimestamp(at_s, tz=UTC)


def _span(start_s: float, end_s: float, step_s: int) -> tuple[int, int]:
    if step_s < 1 or end_s < start_s:
        raise SettingsRefused(
            f"Cannot read from {start_s:.0f} to {end_s:.0f} in steps of {step_s} s.",
            next_step="give a step of at least a second and an end that is not before the start.",
        )
    return align_down(start_s, step_s), align_down(end_s, step_s)
