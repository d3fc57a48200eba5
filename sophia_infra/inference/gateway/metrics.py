"""What the gateway counts, in a registry of its own. Implements the dispatcher's `Observer`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from sophia_infra.inference.gateway.money_counters import MoneyCounters
from sophia_infra.inference.usage import Outcome, UsageEntry

__all__ = ["METRICS_TYPE", "GatewayMetrics"]

METRICS_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"

_LATENCY_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""0.2 s and 2 s and 5 s are limits of the plan: a share under them is exact."""


class GatewayMetrics:
    """All counters, gauges and histograms of one gateway process.

    Args:
        known: (model, backend, user) of calls that can come; their series begin at 0.
        pressure: user -> percent used of the fullest budget that binds it; asked when metrics are read.
        users: whose pressure is shown.
    """

    def __init__(
        self,
        known: Iterable[tuple[str, str, str]] = (),
        *,
        pressure: Callable[[str], int] | None = None,
        users: Iterable[str] = (),
    ) -> None:
        self._registry = registry = CollectorRegistry(auto_describe=False)
        known = tuple(known)
        self._pressure = pressure
        self._users = tuple(users)
        self._money = MoneyCounters(known)
        registry.register(self._money)
        self._requests = Counter(
            "lambda_inference_requests",
            "Calls that reached the ledger.",
            ("model", "backend", "outcome"),
            registry=registry,
        )
        for model, backend in dict.fromkeys((model, backend) for model, backend, _user in known):
            for outcome in get_args(Outcome):
                self._requests.labels(model, backend, outcome)
        self._refused = Counter(
            "lambda_inference_refused",
            "Calls answered with an error, by its code.",
            ("code",),
            registry=registry,
        )
        self._attempts = Counter(
            "lambda_inference_attempts",
            "Tries at a backend, by how they ended.",
            ("backend", "outcome"),
            registry=registry,
        )
        self._cache_hits = Counter(
            "lambda_inference_cache_hits", "Answers given from the cache.", ("model",), registry=registry
        )
        self._latency = Histogram(
            "lambda_inference_latency_seconds",
            "From taking a call to its last byte.",
            ("model",),
            buckets=_LATENCY_S,
            registry=registry,
        )
        self._first_token = Histogram(
            "lambda_inference_first_token_seconds",
            "From taking a stream to its first byte.",
            ("model",),
            buckets=_LATENCY_S,
            registry=registry,
        )
        self._queue = _gauge(registry, "queue_length", "Calls that wait here for a backend.", "backend")
        self._in_flight = _gauge(registry, "in_flight", "Calls that are under way here.")
        self._streams = _gauge(registry, "open_streams", "Streams that are open here.")
        self._budget = _gauge(
            registry, "budget_use_ratio", "Share used of the fullest budget that binds the user.", "user"
        )
        self._ready = _gauge(registry, "backend_ready", "1 when the backend has a model loaded.", "backend")
        self._warm = _gauge(registry, "warm_backends", "Backends that have the model loaded.", "model")
        self._backend_queue = _gauge(
            registry, "backend_queue_length", "Calls that wait inside the backend.", "backend"
        )
        self._backend_cache = _gauge(
            registry, "gpu_cache_use_ratio", "Share of the backend's KV cache in use.", "backend"
        )
        for backend_gauge in (self._in_flight, self._streams):
            backend_gauge.set(0)

    # What the dispatcher tells.

    def on_settled(self, entry: UsageEntry) -> None:
        """A line was written into the ledger."""
        self._money.add(entry)
        self._requests.labels(entry.model, entry.backend, entry.outcome).inc()
        if entry.cached:
            self._cache_hits.labels(entry.model).inc()
        self._latency.labels(entry.model).observe(entry.latency_ms / 1000)
        if entry.first_token_ms is not None:
            self._first_token.labels(entry.model).observe(entry.first_token_ms / 1000)

    def on_attempt(self, backend: str, outcome: str) -> None:
        """A try ended."""
        self._attempts.labels(backend, outcome).inc()

    def on_queue(self, backend: str, waiting: int) -> None:
        """The queue for `backend` changed."""
        self._queue.labels(backend).set(waiting)

    # What the door tells.

    def on_refused(self, code: str) -> None:
        """A call was answered with an error."""
        self._refused.labels(code).inc()

    def call_began(self, *, stream: bool) -> None:
        """A call was let in."""
        self._in_flight.inc()
        if stream:
            self._streams.inc()

    def call_ended(self, *, stream: bool) -> None:
        """It is over, however."""
        self._in_flight.dec()
        if stream:
            self._streams.dec()

    # What the warm pool tells.

    def on_backend(self, backend: str, *, ready: bool) -> None:
        """A backend became ready or is not any more."""
        self._ready.labels(backend).set(int(ready))

    def on_warm(self, warm: Mapping[str, int]) -> None:
        """How many backends have each model loaded."""
        for model, count in warm.items():
            self._warm.labels(model).set(count)

    def on_backend_load(self, backend: str, *, waiting: float | None, cache_use: float | None) -> None:
        """What the backend says about itself; None where it does not say it any more."""
        for gauge, value in ((self._backend_queue, waiting), (self._backend_cache, cache_use)):
            if value is not None:
                gauge.labels(backend).set(value)
            elif (backend,) in gauge._metrics:
                gauge.remove(backend)

    def text(self) -> bytes:
        """All of them in Prometheus' text form."""
        if self._pressure is not None:
            for user in self._users:
                self._budget.labels(user).set(self._pressure(user) / 100)
        return generate_latest(self._registry)


def _gauge(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"lambda_inference_{name}", text, labels, registry=registry)
