"""What the gateway adds to a call: beside the backend alone, and beside nginx as a plain reverse proxy."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from tests.bench.figures import Figure, Skipped
from tests.bench.inference_nginx import find_nginx, nginx_before
from tests.bench.inference_paced import Paced, pace
from tests.load.asks import MODELS, mixture
from tests.load.client import Connection, run_load
from tests.load.services import Service, start_mock
from tests.load.stand import Stand

__all__ = ["measure_gateway", "measure_gateway_first_token"]

_RATE_PER_S = 200.0
_CALLS = 1_000
_CLOSED_CALLS = 3_000
_CALLERS = 16
_LEAST_S = 0.0001
"""nginx adds less than two runs differ by; nothing is compared with less than this."""

_COLD_START_S = 2.0
_WARM_UP_S = 1.0
_FIRST_TOKEN_S = 0.05
_RIVAL = "nginx as a plain reverse proxy"
_NO_NGINX = "no nginx on the PATH or in the cache: `python -m tests.bench.inference_nginx` fetches Debian's"


def measure_gateway(rounds: int) -> list[Figure | Skipped]:
    """p95 that gateway and nginx add at 200 calls a second on one core; highest rate and cost of each."""
    nginx = find_nginx()
    pin, how_pinned = _pinned()
    with tempfile.TemporaryDirectory(prefix="sophia-bench-") as folder:
        stand = Stand(Path(folder), gateway_prefix=pin, mock_options=(f"--models={','.join(_names())}",))
        with stand, _our_own_core(pin):
            backend = stand.mocks["one"].url
            with _proxy(nginx, backend, pin) as proxy:
                targets = {"backend": backend, "gateway": stand.gateway.url}
                proxies = {"gateway": stand.gateway}
                if proxy is not None:
                    targets["nginx"] = proxy.url
                    proxies["nginx"] = proxy
                key = stand.keys["load"]
                taken: dict[str, list[Paced]] = {name: [] for name in targets}
                for _ in range(rounds):  # in turns, so that what else runs here hits all alike
                    for name, url in targets.items():
                        taken[name].append(pace(url, key, calls=_CALLS, rate_per_s=_RATE_PER_S))
                closed_loops: dict[str, list[_Closed]] = {name: [] for name in proxies}
                for _ in range(rounds):
                    for name, service in proxies.items():
                        closed_loops[name].append(_closed_loop(service, key))
    best = {name: min(paced.at(0.95) for paced in all_paced) for name, all_paced in taken.items()}
    middle = {name: min(paced.at(0.5) for paced in all_paced) for name, all_paced in taken.items()}
    how = (
        f"{_CALLS} calls at {_RATE_PER_S:.0f}/s less the backend's own p95, least of {rounds}; {how_pinned}; "
        + ", ".join(f"{name} p50 {middle[name] * 1000:.1f} p95 {best[name] * 1000:.1f} ms" for name in best)
    )
    overhead = Figure("gateway overhead, p95", best["gateway"] - best["backend"], "s", 0.005, how)
    top = Figure(
        "gateway, calls at most",
        max(closed.per_s for closed in closed_loops["gateway"]),
        "1/s",
        None,
        f"most of {rounds}; {_CALLERS} callers that wait for their answers, SQLite ledger; {how_pinned}",
    )
    cpu = Figure(
        "gateway, processor time of a call",
        min(closed.cpu_ms for closed in closed_loops["gateway"]),
        "ms",
        None,
        "of those calls; unlike the others it hardly depends on what else runs here",
    )
    if nginx is not None:
        through = closed_loops["nginx"]
        added_s = max(best["nginx"] - best["backend"], _LEAST_S)
        overhead = replace(overhead, reference=(added_s, _RIVAL))
        top = replace(top, reference=(max(closed.per_s for closed in through), _RIVAL))
        cpu = replace(cpu, reference=(min(closed.cpu_ms for closed in through), _RIVAL))
    missing = [] if nginx is not None else [Skipped("nginx beside the gateway", _NO_NGINX)]
    return [overhead, top, cpu, *missing]


def measure_gateway_first_token() -> list[Figure | Skipped]:
    """First token of a stream through the warm pool, beside a backend that is asked before it is warm."""
    slow = (
        f"--cold-start-s={_COLD_START_S}",
        f"--warm-up-s={_WARM_UP_S}",
        f"--first-token-s={_FIRST_TOKEN_S}",
        "--while-loading=wait",
    )
    with tempfile.TemporaryDirectory(prefix="sophia-bench-") as folder:
        cold = start_mock(Path(folder), "cold", f"--models={','.join(_names())}", *slow)
        try:
            cold_s = _first_byte_s(cold.url, "")
        finally:
            cold.stop()
        with Stand(Path(folder), mock_options=(f"--models={','.join(_names())}", *slow)) as stand:
            warm_s = min(_first_byte_s(stand.gateway.url, stand.keys["load"]) for _ in range(5))
    return [
        Figure(
            "first token, warm",
            warm_s,
            "s",
            0.2,
            f"through the gateway, least of 5 on an idle mock that takes {_FIRST_TOKEN_S} s for it",
            reference=(
                cold_s,
                f"asked while it loads ({_COLD_START_S:g} s) and before it is warm ({_WARM_UP_S:g} s)",
            ),
        )
    ]


def _names() -> Sequence[str]:
    """The backend answers to the catalogue's names too, so that the same calls can go to it directly."""
    return ("scout", "qwen", *MODELS)


def _pinned() -> tuple[Sequence[str], str]:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2 or shutil.which("taskset") is None:
        return (), "all on the same core"
    return ("taskset", "--cpu-list", str(cores[-1])), "alone on one core"


@contextmanager
def _our_own_core(pin: Sequence[str]) -> Iterator[None]:
    """Keep this process off the pinned core."""
    cores = os.sched_getaffinity(0)
    if pin:
        os.sched_setaffinity(0, cores - {int(pin[-1])})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@contextmanager
def _proxy(nginx: Path | None, backend: str, pin: Sequence[str]) -> Iterator[Service | None]:
    if nginx is None:
        yield None
        return
    with nginx_before(nginx, urlsplit(backend).netloc, pin) as service:
        yield service


@dataclass(frozen=True, slots=True)
class _Closed:
    """Calls a second that a proxy answered, and its own processor time of each in ms."""

    per_s: float
    cpu_ms: float


def _closed_loop(proxy: Service, key: str) -> _Closed:
    asks = itertools.islice(mixture(streams=0, shared=0), _CLOSED_CALLS)
    cpu_before_s, began_s = proxy.cpu_s(), time.perf_counter()
    told = uvloop.run(run_load(proxy.url, key, asks, callers=_CALLERS))
    took_s = time.perf_counter() - began_s
    if not all(answer.is_whole for answer in told):
        raise RuntimeError(f"{proxy.name} refused calls of the bench")
    return _Closed(len(told) / took_s, (proxy.cpu_s() - cpu_before_s) / len(told) * 1000)


def _first_byte_s(url: str, key: str) -> float:
    ask = next(ask for ask in mixture(streams=0.9, shared=0) if ask.is_stream)

    async def one() -> float:
        connection = Connection(url, key)
        told = await connection.call(ask)
        connection.close()
        if not told.is_whole:
            raise RuntimeError(f"the stream ended with {told.status} {told.code}")
        return told.first_byte_s

    return uvloop.run(one())
