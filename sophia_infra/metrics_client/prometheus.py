"""A small typed client of Prometheus' HTTP API, version 1: instant and range queries, and alerts."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sophia_infra.metrics_client.errors import AddressRefused, NotTheSource, QueryFailed, Unreachable
from sophia_infra.metrics_client.http_source import HttpSource, checked_address
from sophia_infra.model.printable import printable

__all__ = ["TOKEN_VARIABLE", "ActiveAlert", "PrometheusApi", "Sample", "Series"]

TOKEN_VARIABLE: Final = "PROMETHEUS_TOKEN"  # noqa: S105 (its name)
_SHOWN_CHARACTERS: Final = 300
_TOO_MANY: Final = 429
_RETRIED: Final = 500
"""From this status on it is the server's trouble, below it is the query's."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of an instant vector. `value` may be NaN or infinite; `at_s` is when it was evaluated."""

    labels: Mapping[str, str]
    value: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a range: (seconds since 1970, value), oldest first."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """An alert as Prometheus has it now.

    Attributes:
        state: "pending" or "firing".
        since: when it became active, as Prometheus writes it.
    """

    name: str
    state: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    since: str


class PrometheusApi:
    """Asks one Prometheus, or what speaks its API. Not safe to share between threads.

    Args:
        address: http on this machine or https, with the path prefix if there is one.
        token: sent as a Bearer token; None: none.
        plain_http: see `checked_address`; never with a token.

    Raises:
        AddressRefused: see `checked_address`; or the token cannot stand in a header.
    """

    def __init__(self, address: str, token: str | None = None, *, plain_http: bool = False) -> None:
        if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
            raise AddressRefused(
                f"{TOKEN_VARIABLE} holds characters that no HTTP header may have.",
                next_step="set it to the token alone, without line breaks and spaces.",
            )
        checked = checked_address(address, "--prometheus", plain_http=plain_http and token is None)
        self._http = HttpSource(checked, "Prometheus", token, TOKEN_VARIABLE)

    @classmethod
    def from_environment(
        cls, address: str, environment: Mapping[str, str] | None = None, *, plain_http: bool = False
    ) -> PrometheusApi:
        """With the token of PROMETHEUS_TOKEN, if that is set."""
        token = (os.environ if environment is None else environment).get(TOKEN_VARIABLE, "").strip()
        return cls(address, token or None, plain_http=plain_http)

    @property
    def source(self) -> str:
        """What its figures name as their source."""
        return f"Prometheus at {self._http.address}"

    def close(self) -> None:
        """Close the kept connection."""
        self._http.close()

    def query(self, expr: str, at_s: float | None = None) -> tuple[Sample, ...]:
        """The instant vector of `expr` at `at_s` (seconds since 1970; None: now).

        Raises:
            SourceError: see `metrics_client.errors`.
        """
        query = {"query": expr, **({} if at_s is None else {"time": f"{at_s:.3f}"})}
        data = self._data("/api/v1/query", query)
        try:
            if data["resultType"] == "scalar":
                return (Sample({}, float(data["result"][1]), float(data["result"][0])),)
            return tuple(
                Sample(_texts(row["metric"]), float(row["value"][1]), float(row["value"][0]))
                for row in data["result"]
            )
        except (KeyError, TypeError, ValueError, IndexError):
            raise self._something_else() from None

    def query_range(self, expr: str, start_s: float, end_s: float, step_s: float) -> tuple[Series, ...]:
        """The series of `expr` from `start_s` to `end_s`, a point every `step_s`; NaN is left out.

        Raises:
            SourceError: see `metrics_client.errors`.
        """
        query = {"query": expr, "start": f"{start_s:.3f}", "end": f"{end_s:.3f}", "step": f"{step_s:g}"}
        data = self._data("/api/v1/query_range", query)
        try:
            return tuple(
                Series(
                    _texts(row["metric"]),
                    tuple((float(at), float(v)) for at, v in row["values"] if not math.isnan(float(v))),
                )
                for row in data["result"]
            )
        except (KeyError, TypeError, ValueError):
            raise self._something_else() from None

    def alerts(self) -> tuple[ActiveAlert, ...]:
        """All active alerts, pending ones too. Raises SourceError."""
        data = self._data("/api/v1/alerts", {})
        try:
            return tuple(
                ActiveAlert(
                    name=printable(row["labels"]["alertname"]),
                    state=str(row["state"]),
                    labels=_texts(row["labels"]),
                    annotations=_texts(row.get("annotations") or {}),
                    since=printable(str(row.get("activeAt", ""))),
                )
                for row in data["alerts"]
            )
        except (KeyError, TypeError, AttributeError):
            raise self._something_else() from None

    def _data(self, path: str, query: dict[str, str]) -> Any:
        answer = self._http.get(path, query)
        document = answer.json()
        if not isinstance(document, dict) or document.get("status") not in ("success", "error"):
            # A Prometheus that starts, and what stands before one that is down or busy, say so in plain text.
            if answer.status >= _RETRIED or answer.status == _TOO_MANY:
                raise Unreachable(
                    f"Prometheus at {self._http.address} cannot answer now (HTTP {answer.status}).",
                    next_step="run this again in a while.",
                )
            raise self._something_else()
        if document["status"] == "success":
            return document.get("data")
        said = printable(f"{document.get('errorType', 'error')}: {document.get('error', '')}")
        passing = (
            answer.status >= _RETRIED
            or answer.status == _TOO_MANY
            or document.get("errorType") in ("timeout", "unavailable")
        )
        raise QueryFailed(
            f"Prometheus at {self._http.address} gave no result ({said[:_SHOWN_CHARACTERS]}).",
            next_step="run this again in a while." if passing else "report this: the query is ours.",
            retry=passing,
        )

    def _something_else(self) -> NotTheSource:
        return NotTheSource(
            f"What answers at {self._http.address} is not Prometheus.",
            next_step="give the address of Prometheus itself, with its path prefix if it has one.",
        )


def _texts(labels: Mapping[str, object]) -> dict[str, str]:
    return {str(name): printable(str(value)) for name, value in labels.items()}
