"""The exporter as a process: poller, server, signals."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from sophia_infra.exporter.attempts import Attempts
from sophia_infra.exporter.exposition import FleetCollector, registry_of
from sophia_infra.exporter.poller import Poller
from sophia_infra.exporter.state_file import StateFile
from sophia_infra.exporter.timing import Timing
from sophia_infra.lambda_cloud import LambdaCloud, Pacer, install_redaction
from sophia_infra.metrics_server import MetricsServer
from sophia_infra.model.clock import Clock
from sophia_infra.monitoring.exporter_settings import ExporterSettings
from sophia_infra.provider.settings import CloudAccess

__all__ = ["LISTEN", "read_once", "run_exporter", "set_up_logs"]

LISTEN = ("127.0.0.1", 9105)
"""Where it listens unless told otherwise."""

_log = logging.getLogger(__name__)


def run_exporter(
    settings: ExporterSettings,
    access: CloudAccess,
    clock: Clock,
    *,
    listen: tuple[str, int] = LISTEN,
    state: Path | None = None,
    pacer: Pacer | None = None,
    ready: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Serve the metrics of one stack until SIGTERM, SIGINT or `stop`.

    Args:
        settings: of the stack.
        access: which cloud, and the key.
        clock: of the cloud, as `provider.cloud_clock.clock_of` gives it.
        listen: host and port; port 0 lets the system choose.
        state: a file that keeps counters and the sum of the month over restarts; None keeps nothing.
        pacer: shared with other programs that use the key on this machine; one of its own when None.
        ready: called with the address once /metrics is served; the account may not have been asked yet.
        stop: ends it from another thread. Signals are only taken in the main thread.

    Raises:
        CannotListen, StateUnusable: before any request.
    """
    stopped = threading.Event() if stop is None else stop
    cloud, poller, registry = _parts(settings, access, clock, state, pacer)
    server = MetricsServer(
        registry,
        listen,
        lambda: poller.snapshot.was_tried,
        waits_for="no list of machines was tried yet",
    )
    with cloud, _signals_set(stopped), server:
        _log.info(
            "serving %s/metrics for %s: %s at %s every %d s, %d machines in the file, state %s",
            server.url,
            settings.stack,
            settings.endpoint,
            access.base_url,
            settings.poll_s,
            len(settings.machines),
            state or "not kept",
        )
        # A daemon: it may be asleep, or in a request, when the process is told to end.
        threading.Thread(target=poller.run, args=(stopped,), name="poller", daemon=True).start()
        if ready is not None:
            ready(server.url)
        stopped.wait()


def read_once(
    settings: ExporterSettings,
    access: CloudAccess,
    clock: Clock,
    *,
    state: Path | None = None,
    pacer: Pacer | None = None,
) -> tuple[str, bool]:
    """What /metrics would show after a first look at everything, and whether the account answered.

    Arguments as `run_exporter`. Raises StateUnusable before any request.
    """
    cloud, poller, registry = _parts(settings, access, clock, state, pacer)
    with cloud:
        # A poll reads one of the two lists beside the machines.
        for _ in range(2):
            poller.poll()
            if not poller.snapshot.is_up:
                break
    return generate_latest(registry).decode("utf-8"), poller.snapshot.is_up


def _parts(
    settings: ExporterSettings, access: CloudAccess, clock: Clock, state: Path | None, pacer: Pacer | None
) -> tuple[LambdaCloud, Poller, CollectorRegistry]:
    timing = Timing(settings.poll_s)
    attempts = Attempts(clock)
    if pacer is None:
        pacer = Pacer(None, Pacer.key_id(access.base_url, access.api_key), clock)
    cloud = LambdaCloud(
        access.base_url,
        access.api_key,
        clock=clock,
        pacer=pacer,
        timeout_connect_s=timing.timeout_connect_s,
        timeout_read_s=timing.timeout_read_s,
        retry_plan=timing.retry_plan,
        observer=attempts,
    )
    poller = Poller(settings, cloud, clock, None if state is None else StateFile(state, settings.stack))
    registry = registry_of(FleetCollector(settings, poller, attempts, pacer, clock))
    return cloud, poller, registry


@contextmanager
def _signals_set(stopped: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set the event; only the main thread can be asked by them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def set_up_logs() -> None:
    """Lines for people on standard error, secrets masked."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    install_redaction()
