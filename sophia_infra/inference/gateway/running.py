"""Puts the parts of a gateway together, runs them, and ends them in order."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from sophia_infra.http_server import listen_on, url_of, write_endpoint
from sophia_infra.inference.budgets import ALL_SCOPE, BudgetScope, user_scope
from sophia_infra.inference.catalogue import ModelCatalogue, load_catalogue
from sophia_infra.inference.clock import Clock, SystemClock
from sophia_infra.inference.config_file import read_config
from sophia_infra.inference.dispatch import Dispatcher
from sophia_infra.inference.errors import SettingsRefused
from sophia_infra.inference.gateway.app import make_app
from sophia_infra.inference.gateway.door import Door
from sophia_infra.inference.gateway.keys import KeyFile
from sophia_infra.inference.gateway.metrics import GatewayMetrics
from sophia_infra.inference.gateway.probes import HttpProbe
from sophia_infra.inference.gateway.rate import RateLimits
from sophia_infra.inference.gateway.server import BACKLOG, GatewayServer
from sophia_infra.inference.gateway.settings import GatewaySettings
from sophia_infra.inference.gateway.warm_pool import WarmPool
from sophia_infra.inference.gateway.watched_ledger import WatchedLedger
from sophia_infra.inference.gateway.wire_transport import WireTransport
from sophia_infra.inference.ledger import AsyncLedger, Ledger, open_ledger
from sophia_infra.inference.upstream import Transport
from sophia_infra.model.gateway import BackendConfig, GatewayConfig

__all__ = ["Gateway", "run_gateway"]

_FORGET_KEYS_EVERY_S: Final = 300.0
_THREAD_SWITCH_S: Final = 0.0005
"""The event loop waits that long at most for the ledger's thread, instead of Python's 5 ms."""

_log = logging.getLogger(__name__)


class Gateway:
    """All parts of one process. Make it on the event loop; `start`, serve `app`, `aclose`.

    Args:
        ledger: open; the gateway closes it.
        environ: where keys of backends are looked up.

    Raises:
        SettingsRefused: the configuration cannot be right.
        KeyFileRefused: the file of keys cannot be read.
    """

    def __init__(
        self,
        config: GatewayConfig,
        keys: KeyFile,
        ledger: Ledger,
        *,
        catalogue: ModelCatalogue,
        environ: Mapping[str, str],
        clock: Clock | None = None,
        min_warm: Mapping[str, int] | None = None,
        log_prompts: bool = False,
    ) -> None:
        clock = clock or SystemClock()
        self._transports = {
            name: _transport(name, backend, environ, clock) for name, backend in config.backends.items()
        }
        books = AsyncLedger(ledger, budgets=_scopes(config), now=clock.now)
        self.metrics = GatewayMetrics(_known(config), pressure=books.pressure, users=config.users)
        self.ledger = WatchedLedger(books, clock=clock, on_recovered=self.metrics.on_settled)
        self.pool = WarmPool(
            config.backends,
            {
                name: HttpProbe(backend, _api_key(name, backend, environ))
                for name, backend in config.backends.items()
                if backend.kind != "lambda"
            },
            clock=clock,
            max_waiting=config.limits.queue,
            min_warm=min_warm,
            on_queue=self.metrics.on_queue,
            observer=self.metrics,
        )
        dispatcher = Dispatcher(
            config,
            catalogue,
            self.ledger,
            self._transports,
            self.pool,
            clock=clock,
            observer=self.metrics,
        )
        self.door = Door(
            config=config,
            catalogue=catalogue,
            calls=dispatcher,
            pool=self.pool,
            keys=keys,
            rates=RateLimits(config),
            metrics=self.metrics,
            clock=clock,
            ledger_works=self.ledger.works,
            log_prompts=log_prompts,
        )
        self.app = make_app(self.door)
        self._clock = clock
        self._housekeeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to probe backends and to look after the ledger and the keys."""
        self.ledger.start()
        self.pool.start()
        self._housekeeping = asyncio.create_task(self._forget_removed_keys(), name="forget keys")

    def leave(self) -> None:
        """Say on /ready that this process is about to end."""
        self.door.leaving = True

    async def aclose(self) -> None:
        """End what `start` began, then close connections, the ledger last."""
        if self._housekeeping is not None:
            self._housekeeping.cancel()
            await asyncio.gather(self._housekeeping, return_exceptions=True)
        await self.pool.aclose()
        for transport in self._transports.values():
            await transport.aclose()
        await self.ledger.aclose()

    async def _forget_removed_keys(self) -> None:
        while True:
            await self._clock.sleep(_FORGET_KEYS_EVERY_S)
            self.door.rates.keep_only(self.door.keys.hashes())


def run_gateway(settings: GatewaySettings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way. SIGHUP reads the keys again.

    Raises:
        InferenceError: a setting cannot be right, or the ledger cannot be opened.
        OSError: the address cannot be listened on, or the endpoint file not written.
    """
    import uvloop  # here: nobody else of this room needs a loop of its own
    from prometheus_client import disable_created_metrics

    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody reads
    sys.setswitchinterval(_THREAD_SWITCH_S)
    config = read_config(settings.config_path)
    keys = KeyFile(settings.keys_path, config.users)
    catalogue = load_catalogue(settings.catalogue_path)
    url = settings.resolved_ledger_url(config, os.environ)
    with listen_on(settings.host, settings.port, BACKLOG) as listening:
        ledger = open_ledger(url)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, config, keys, catalogue, ledger, listening))


async def _serve(
    settings: GatewaySettings,
    config: GatewayConfig,
    keys: KeyFile,
    catalogue: ModelCatalogue,
    ledger: Ledger,
    listening: socket.socket,
) -> None:
    gateway = Gateway(
        config,
        keys,
        ledger,
        catalogue=catalogue,
        environ=os.environ,
        min_warm=settings.min_warm,
        log_prompts=settings.log_prompts,
    )
    url = url_of(listening)

    def announce() -> None:
        _log.info("gateway on %s, pid %d, backends %s", url, os.getpid(), ", ".join(config.backends))
        if settings.endpoint_file is not None:
            write_endpoint(settings.endpoint_file, {"url": url})

    server = GatewayServer(
        gateway.app, on_ready=announce, drain_s=config.limits.drain_s, notice_s=settings.linger_s
    )

    def end() -> None:
        _log.info("ending: calls under way have %d s", config.limits.drain_s)
        gateway.leave()
        server.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    loop.add_signal_handler(signal.SIGHUP, keys.reload)
    gateway.start()
    gc.collect()
    gc.freeze()  # what was made so far stays: no collection has to look at it again
    try:
        await server.serve([listening])
    finally:
        await gateway.aclose()
        _log.info("ended")


def _transport(name: str, backend: BackendConfig, environ: Mapping[str, str], clock: Clock) -> Transport:
    """Our own backends over `wire`, others with OpenAI's client, which knows proxies and their ways."""
    if backend.kind == "vllm" and backend.base_url is not None:
        return WireTransport(backend.base_url, _api_key(name, backend, environ), clock)
    from sophia_infra.inference.transport import make_transport  # 50 MB that most gateways do without

    return make_transport(name, backend, environ, clock)


def _api_key(name: str, backend: BackendConfig, environ: Mapping[str, str]) -> str | None:
    if backend.api_key_env is None:
        return None
    key = environ.get(backend.api_key_env)
    if not key:
        raise SettingsRefused(
            f"backends.{name}.api_key_env names {backend.api_key_env}, which is not set.",
            next_step="Set the variable and start again.",
        )
    return key


def _known(config: GatewayConfig) -> Iterator[tuple[str, str, str]]:
    """(model, backend, user) of every call that may come."""
    for name, backend in config.backends.items():
        for model in backend.models:
            for user in config.users:
                yield model, name, user


def _scopes(config: GatewayConfig) -> list[BudgetScope]:
    own = [
        BudgetScope(user_scope(name), user.budget)
        for name, user in config.users.items()
        if user.budget is not None
    ]
    return [BudgetScope(ALL_SCOPE, config.budget), *own]
