"""Only backends that have the model loaded get calls: the pool that probes them.

    cold --answers and lists the model--> warming --one-token call answered--> ready
    ready --says no, or nobody listens; or is too slow twice in a row--> cold

A call never waits for a cold backend: it goes to another one, or is told at once that none is ready.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from sophia_infra.inference.clock import Clock
from sophia_infra.inference.errors import NoBackendReady
from sophia_infra.inference.gateway.probes import BackendLoad, Probe, ProbeFailed
from sophia_infra.inference.pool import QueueObserver, SlotQueue
from sophia_infra.model.gateway import BackendConfig

__all__ = ["PoolObserver", "WarmPool"]

_COLD_INTERVAL_S: Final = 1.0
_READY_INTERVAL_S: Final = 5.0
_SLOW_PROBES: Final = 2
_RETRY_AFTER_S: Final = 5.0

_log = logging.getLogger(__name__)


class PoolObserver(Protocol):
    """Who is told what the probes find."""

    def on_backend(self, backend: str, *, ready: bool) -> None: ...

    def on_warm(self, warm: Mapping[str, int]) -> None: ...

    def on_backend_load(self, backend: str, *, waiting: float | None, cache_use: float | None) -> None: ...


@dataclass(slots=True)
class _Backend:
    config: BackendConfig
    probe: Probe
    models: frozenset[str] = frozenset()
    warmed: frozenset[str] = frozenset()
    slow_probes: int = 0
    reason: str = "not probed yet"
    load: BackendLoad = field(default_factory=BackendLoad)


class WarmPool:
    """Implements `Pool` with what the probes find. `start` begins to probe, `aclose` ends it.

    Args:
        backends: name -> configuration. Those of kind lambda are never ready: the service has ended.
        probes: name -> how to look at it; one for each other backend.
        max_waiting: calls that may wait for a place, all backends together.
        min_warm: model -> backends that should have it loaded; `shortage` says where they are fewer.
    """

    def __init__(
        self,
        backends: Mapping[str, BackendConfig],
        probes: Mapping[str, Probe],
        *,
        clock: Clock,
        max_waiting: int,
        min_warm: Mapping[str, int] | None = None,
        on_queue: QueueObserver | None = None,
        observer: PoolObserver | None = None,
    ) -> None:
        self._backends = {
            name: _Backend(config, probes[name])
            for name, config in backends.items()
            if config.kind != "lambda"
        }
        self._clock = clock
        self._slots = SlotQueue(
            {name: backend.config.max_in_flight for name, backend in self._backends.items()},
            max_waiting,
            on_queue,
            clock,
        )
        served = {model for backend in self._backends.values() for model in backend.config.models}
        self._min_warm = dict.fromkeys(served, 1) | dict(min_warm or {})
        self._observer = observer
        self._tasks: list[asyncio.Task[None]] = []

    # Pool

    def candidates(self, model: str) -> Sequence[str]:
        """Backends with `model` loaded, the least loaded first."""
        ready = [name for name, backend in self._backends.items() if model in backend.models]
        return sorted(ready, key=self._crowding) if len(ready) > 1 else ready

    def slot(self, backend: str, deadline_s: float) -> AbstractAsyncContextManager[None]:
        """See `Pool.slot`. NoBackendReady at once when `backend` is cold."""
        known = self._backends.get(backend)
        if known is None or not known.models:
            reason = "it is not a backend here" if known is None else known.reason
            raise NoBackendReady(
                f"The backend {backend} cannot take a call: {reason}.", retry_after_s=_RETRY_AFTER_S
            )
        return self._slots.slot(backend, deadline_s)

    # For /ready, /v1/models and the metrics

    def warm(self) -> dict[str, int]:
        """Model -> backends that have it loaded now, 0 included."""
        return {
            model: sum(model in backend.models for backend in self._backends.values())
            for model in sorted(self._min_warm)
        }

    def shortage(self) -> dict[str, int]:
        """Model -> backends missing to its `min_warm`; only models where some are."""
        return {
            model: self._min_warm[model] - count
            for model, count in self.warm().items()
            if count < self._min_warm[model]
        }

    def reasons(self) -> dict[str, str]:
        """Backend -> why it takes no calls; only backends that take none."""
        return {name: backend.reason for name, backend in self._backends.items() if not backend.models}

    # Probing

    def start(self) -> None:
        """Probe each backend from now on, on the running loop."""
        self._tasks = [
            asyncio.create_task(self._watch(name), name=f"probe {name}") for name in self._backends
        ]

    async def aclose(self) -> None:
        """Stop probing and close the connections of the probes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for backend in self._backends.values():
            await backend.probe.aclose()

    async def probe(self, name: str) -> None:
        """Look at one backend once, and warm up what it has newly loaded."""
        backend = self._backends[name]
        try:
            served = await backend.probe.served()
            models = frozenset(ours for ours, theirs in backend.config.models.items() if theirs in served)
            for model in sorted(models - backend.warmed):
                await backend.probe.warm_up(backend.config.models[model])
                backend.warmed |= {model}
        except ProbeFailed as failure:
            backend.slow_probes += 1
            if failure.sure or backend.slow_probes >= _SLOW_PROBES:
                self._set(name, frozenset(), failure.reason)
            return
        backend.slow_probes = 0
        self._set(name, models, "" if models else "it has none of its models loaded")
        backend.load = await backend.probe.load()
        if self._observer is not None:
            self._observer.on_backend_load(
                name, waiting=backend.load.waiting, cache_use=backend.load.cache_use
            )

    async def _watch(self, name: str) -> None:
        backend = self._backends[name]
        while True:
            try:
                await self.probe(name)
            except Exception:  # one failed pass must not end the watch: the backend would stay as it is
                _log.exception("the probe of backend %s failed", name)
                self._set(name, frozenset(), "its probe failed")
            await self._clock.sleep(_READY_INTERVAL_S if backend.models else _COLD_INTERVAL_S)

    def _set(self, name: str, models: frozenset[str], reason: str) -> None:
        backend = self._backends[name]
        if models == backend.models and reason == backend.reason:
            return
        was_ready = bool(backend.models)
        backend.models, backend.reason = models, reason
        backend.warmed &= models  # what was unloaded is cold again
        if models:
            _log.info("backend %s is ready for %s", name, ", ".join(sorted(models)))
        elif was_ready:
            _log.warning("backend %s is not ready any more: %s", name, reason)
            self._slots.refuse_waiting(name)
        else:
            _log.info("backend %s is not ready: %s", name, reason)
        if self._observer is not None:
            self._observer.on_backend(name, ready=bool(models))
            self._observer.on_warm(self.warm())

    def _crowding(self, name: str) -> float:
        """Share of its places in use, and what waits inside it on account of other gateways."""
        backend = self._backends[name]
        return self._slots.load(name) + (backend.load.waiting or 0.0) / backend.config.max_in_flight
