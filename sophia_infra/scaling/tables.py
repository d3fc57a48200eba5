"""The tables of docs/scaling.md, as Markdown, from what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan, log, sqrt
from typing import Final, Literal

import numpy as np

from sophia_infra.model.money import format_usd
from sophia_infra.scaling.accuracy import Accuracy
from sophia_infra.scaling.queueing import highest_rate_per_s
from sophia_infra.scaling.replay import ReplayResult
from sophia_infra.scaling.series import FloatArray
from sophia_infra.scaling.service_mix import ServiceMix

__all__ = ["LoadLimit", "accuracy_table", "latency_table", "measure_load_limits", "replay_table"]

_BACKEND_MEAN_S: Final = 0.05
_BACKEND_VARIATION: Final = 1.0
_CALLS: Final = 40_000
_LIMIT_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class LoadLimit:
    """Up to which load a limit of 200 ms holds for 95 % of the calls.

    Attributes:
        kind: `backend`: from arrival to answer of a call that takes 50 ms; `inference`: the wait of a call of
            the plan's mix.
        servers: replicas, or slots.
        rate_per_s: calls per second.
        busy_ratio: share of the time that a server is busy then.
    """

    kind: Literal["backend", "inference"]
    servers: int
    rate_per_s: float
    busy_ratio: float


def measure_load_limits(overhead_s: float, *, seed: int = 0, calls: int = _CALLS) -> tuple[LoadLimit, ...]:
    """Simulate both kinds of calls before growing numbers of servers; `overhead_s` is the gateway's."""
    random = np.random.default_rng(seed)
    gaps = random.exponential(1.0, calls)
    spread = sqrt(log(1 + _BACKEND_VARIATION**2))
    backend = random.lognormal(log(_BACKEND_MEAN_S) - spread**2 / 2, spread, calls)
    inference = ServiceMix().draw(random, calls)
    limits = [_limit("backend", backend, gaps, servers, overhead_s) for servers in (1, 2, 4, 8)]
    limits += [_limit("inference", inference, gaps, servers, overhead_s) for servers in (8, 16, 32, 64)]
    return tuple(limits)


def _limit(
    kind: Literal["backend", "inference"],
    services_s: FloatArray,
    gaps: FloatArray,
    servers: int,
    overhead_s: float,
) -> LoadLimit:
    rate = highest_rate_per_s(
        services_s,
        gaps,
        servers,
        limit_s=_LIMIT_S,
        of="latency" if kind == "backend" else "wait",
        overhead_s=overhead_s,
    )
    return LoadLimit(kind, servers, rate, rate * float(services_s.mean()) / servers)


def latency_table(limits: Iterable[LoadLimit]) -> str:
    """One row for each number of servers."""
    rows = [
        ("call", "servers", "calls/s", "busy"),
        *(
            (one.kind, str(one.servers), f"{one.rate_per_s:.1f}", f"{one.busy_ratio:.0%}".replace("%", " %"))
            for one in limits
        ),
    ]
    return _markdown(rows, left=1)


def accuracy_table(results: Iterable[Accuracy]) -> str:
    """Errors in calls per second; the last column names the models."""
    head = (
        "shape",
        "persistence",
        "day ago",
        "week ago",
        "ours",
        "ours / best baseline",
        "MASE",
        "pinball 0.9",
        "in 80 % interval",
        "model",
    )
    rows: list[tuple[str, ...]] = [head]
    for one in results:
        models = ", then ".join(one.models)
        mase = "-" if isnan(one.mase) else f"{one.mase:.2f}"
        errors = (f"{value:.3f}" for value in (*one.baselines.values(), one.mae))
        coverage = f"{100 * one.coverage:.0f} %"
        rows.append((one.shape, *errors, f"{one.ratio:.2f}", mase, f"{one.pinball:.3f}", coverage, models))
    return _markdown(rows, left=1, last_left=True)


def replay_table(results: Sequence[ReplayResult]) -> str:
    """Against the first row."""
    head = (
        "policy",
        "node-hours",
        "list price",
        "saved",
        "p95 wait",
        "p99 wait",
        "p95 latency",
        "waited > 200 ms",
        "minutes over capacity",
        "most nodes",
        "launches",
        "refused",
    )
    rows = [head]
    for one in results:
        saved = 100 * (1 - one.usd / results[0].usd)
        rows.append(
            (
                one.policy,
                f"{one.node_hours:,.0f}",
                format_usd(one.usd),
                f"{saved:.1f} %",
                _seconds(one.p95_wait_s),
                _seconds(one.p99_wait_s),
                _seconds(one.p95_latency_s),
                f"{100 * one.slow_share:.2f} %",
                f"{one.missed_minutes:,.0f}",
                str(one.most_nodes),
                str(one.launches),
                str(one.refused),
            )
        )
    return _markdown(rows, left=1)


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 600 else f"{seconds / 3600:.1f} h"


def _markdown(rows: Sequence[Sequence[str]], *, left: int, last_left: bool = False) -> str:
    marks = [
        "---" if place < left or (last_left and place == len(rows[0]) - 1) else "---:"
        for place in range(len(rows[0]))
    ]
    lines = [rows[0], marks, *rows[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
