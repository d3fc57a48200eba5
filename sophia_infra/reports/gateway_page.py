"""The page /metrics of one inference gateway, read and taken apart."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sophia_infra.metrics_client.errors import NotTheSource
from sophia_infra.metrics_client.http_source import HttpSource, checked_address
from sophia_infra.model.printable import printable

if TYPE_CHECKING:
    from prometheus_client.samples import Sample

__all__ = ["GatewayPage", "read_gateway_page"]

_MARK: Final = "lambda_inference_in_flight"
"""Every gateway has it from its start on."""

_OK: Final = 200


@dataclass(frozen=True, slots=True)
class GatewayPage:
    """One look at a gateway. `samples`: name of the series -> its samples; `at_s`: seconds since 1970."""

    address: str
    at_s: float
    samples: Mapping[str, tuple[Sample, ...]]

    @property
    def source(self) -> str:
        """What its figures name as their source."""
        return f"the gateway at {self.address}"

    @property
    def ready(self) -> dict[str, float]:
        """Backend -> 1 when it has a model loaded."""
        rows = self.samples.get("lambda_inference_backend_ready", ())
        return {printable(row.labels.get("backend", "?")): row.value for row in rows}

    def values(self, name: str) -> tuple[float, ...]:
        """Finite values of all series of that name; empty when there is none."""
        return tuple(row.value for row in self.samples.get(name, ()) if math.isfinite(row.value))

    def restarted_since(self, before: GatewayPage) -> bool:
        """Whether a counter is lower than before."""
        counters = ("lambda_inference_requests_total", "lambda_inference_latency_seconds_count")
        return any(sum(self.values(name)) < sum(before.values(name)) for name in counters)

    def calls_since(self, before: GatewayPage) -> float:
        """Calls that reached the ledger in between."""
        name = "lambda_inference_requests_total"
        return sum(self.values(name)) - sum(before.values(name))

    def usd_since(self, before: GatewayPage) -> float:
        """Dollars booked in between."""
        name = "lambda_inference_cost_total"
        return max(0.0, sum(self.values(name)) - sum(before.values(name)))

    def buckets(self, histogram: str, before: GatewayPage | None = None) -> dict[float, float]:
        """Upper bound -> calls at or below it, of all models together; since `before` when it is given."""
        found: dict[float, float] = {}
        for row in self.samples.get(f"{histogram}_bucket", ()):
            bound = float(row.labels["le"])
            found[bound] = found.get(bound, 0.0) + row.value
        if before is None:
            return found
        earlier = before.buckets(histogram)
        return {bound: count - earlier.get(bound, 0.0) for bound, count in found.items()}


def read_gateway_page(address: str, *, now: Callable[[], float] = time.time) -> GatewayPage:
    """Ask a gateway for its page.

    Args:
        address: of the gateway, with or without /v1; http on this machine, or https.
        now: seconds since 1970.

    Raises:
        AddressRefused: see `checked_address`.
        SourceError: it does not answer, or what answers is no gateway.
    """
    from prometheus_client.parser import text_string_to_metric_families

    root = checked_address(address, "--gateway").removesuffix("/v1")
    http = HttpSource(root, "The gateway")
    try:
        answer = http.get("/metrics")
    finally:
        http.close()
    samples: dict[str, list[Sample]] = {}
    if answer.status == _OK:
        try:
            for family in text_string_to_metric_families(answer.body.decode("utf-8", "replace")):
                for row in family.samples:
                    if row.name.startswith("lambda_inference_"):
                        if row.name.endswith("_bucket"):
                            float(row.labels["le"])
                        samples.setdefault(row.name, []).append(row)
        except (ValueError, KeyError, IndexError):
            samples = {}
    if _MARK not in samples:
        raise NotTheSource(
            f"What answers at {root} is no inference gateway of this project.",
            next_step="give --gateway the address of a gateway, without a path; its page is /metrics.",
        )
    return GatewayPage(root, now(), {name: tuple(rows) for name, rows in samples.items()})
