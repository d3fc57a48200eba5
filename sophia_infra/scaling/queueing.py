"""How long calls wait: a first-come-first-served queue before servers whose number changes, call by call.

Any arrivals and any service times (G/G/c). A server that is taken away finishes the call it works on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import inf
from typing import Final, Literal

import numpy as np

from sophia_infra.scaling.capacity import LeadTime
from sophia_infra.scaling.errors import SettingsRefused
from sophia_infra.scaling.series import FloatArray

__all__ = [
    "Queue",
    "Served",
    "highest_rate_per_s",
    "simulate_queue",
    "with_lead_time",
]

_HALVINGS: Final = 10


@dataclass(frozen=True, slots=True)
class Served:
    """Calls in the order in which they began to be served, and those that still waited at the end.

    Attributes:
        waits_s: from arrival to the beginning of service; of a call that still waits, so far.
        services_s: how long a server was or will be busy with it.
        unserved: how many of the last ones still waited.
    """

    waits_s: FloatArray
    services_s: FloatArray
    unserved: int

    @property
    def latencies_s(self) -> FloatArray:
        """From arrival to answer."""
        return self.waits_s + self.services_s


class Queue:
    """A queue that is run from one change of its servers to the next."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s
        self._busy: list[float] = []
        self._waiting: deque[tuple[float, float]] = deque()
        self._waits: list[FloatArray] = []
        self._services: list[FloatArray] = []

    @property
    def waiting(self) -> int:
        """Calls that wait now."""
        return len(self._waiting)

    def run(self, until_s: float, servers: int, arrivals_s: FloatArray, services_s: FloatArray) -> None:
        """Let time pass with `servers` servers.

        Args:
            until_s: to then; not before the last run ended.
            arrivals_s: of the calls of this time, rising, from now up to but not at `until_s`.
            services_s: how long each will keep a server busy.
        """
        if until_s < self._now_s:
            raise ValueError(f"the queue stands at {self._now_s}, after {until_s}")
        if not self._waiting and self._run_without_waiting(until_s, servers, arrivals_s, services_s):
            self._now_s = until_s
            return
        waits: list[float] = []
        services: list[float] = []
        busy, waiting, time_s = self._busy, self._waiting, self._now_s
        coming = zip(arrivals_s.tolist(), services_s.tolist(), strict=True)
        following = next(coming, None)
        while True:
            while busy and busy[0] <= time_s:
                heappop(busy)
            while waiting and len(busy) < servers:
                arrived_s, service_s = waiting.popleft()
                waits.append(time_s - arrived_s)
                services.append(service_s)
                heappush(busy, time_s + service_s)
            free_s = busy[0] if waiting and busy else inf
            arrival_s = following[0] if following is not None else inf
            time_s = min(free_s, arrival_s)
            if time_s >= until_s:
                break
            if following is not None and arrival_s <= free_s:
                waiting.append(following)
                following = next(coming, None)
        while busy and busy[0] <= until_s:
            heappop(busy)
        self._now_s = until_s
        self._keep(np.array(waits), np.array(services))

    def served(self) -> Served:
        """All calls so far."""
        left = [(self._now_s - arrived_s, service_s) for arrived_s, service_s in self._waiting]
        waits, services = np.array([one[0] for one in left]), np.array([one[1] for one in left])
        return Served(
            np.concatenate([*self._waits, waits]), np.concatenate([*self._services, services]), len(left)
        )

    def _run_without_waiting(
        self, until_s: float, servers: int, arrivals_s: FloatArray, services_s: FloatArray
    ) -> bool:
        """All at once when no call has to wait, which is what most minutes are like."""
        if len(self._busy) > servers and len(arrivals_s):
            return False
        departures = np.sort(np.concatenate((np.array(self._busy), arrivals_s + services_s)))
        gone = np.searchsorted(departures, arrivals_s, side="right")
        together = len(self._busy) + np.arange(1, len(arrivals_s) + 1) - gone
        if len(together) and int(together.max()) > servers:
            return False
        self._busy = departures[departures > until_s].tolist()
        heapify(self._busy)
        self._keep(np.zeros(len(arrivals_s)), np.array(services_s))
        return True

    def _keep(self, waits: FloatArray, services: FloatArray) -> None:
        if len(waits):
            self._waits.append(waits)
            self._services.append(services)


def simulate_queue(
    arrivals_s: FloatArray, services_s: FloatArray, servers: Sequence[tuple[float, int]]
) -> Served:
    """Run all calls through a queue.

    Args:
        arrivals_s: rising, from the first entry of `servers` on.
        services_s: the same shape.
        servers: (from, number of servers), rising in time.
    """
    if not servers or (len(arrivals_s) and arrivals_s[0] < servers[0][0]):
        raise SettingsRefused(
            "Calls arrive before the first number of servers.", next_step="say how many there are from when."
        )
    queue = Queue(servers[0][0])
    ends = [one[0] for one in servers[1:]]
    last_s = float(arrivals_s[-1] + services_s.sum()) + 1 if len(arrivals_s) else servers[-1][0]
    edges = np.searchsorted(arrivals_s, [one[0] for one in servers], side="left").tolist()
    for place, (end_s, (_, count)) in enumerate(zip([*ends, max(last_s, *ends, 0)], servers, strict=True)):
        chosen = slice(edges[place], edges[place + 1] if place + 1 < len(edges) else None)
        queue.run(end_s, count, arrivals_s[chosen], services_s[chosen])
    return queue.served()


def with_lead_time(
    wanted: Sequence[tuple[float, int]], lead: LeadTime, random: np.random.Generator
) -> list[tuple[float, int]]:
    """When servers are really there: each added one comes after its own lead time, each dropped one goes at
    once, those that were still coming first.

    Args:
        wanted: (from, number of servers), rising in time; the first ones are there.
    """
    ready = wanted[0][1]
    coming: list[float] = []
    real = [(wanted[0][0], ready)]
    changes = list(wanted[1:])
    while changes or coming:
        if coming and (not changes or coming[0] <= changes[0][0]):
            at_s = heappop(coming)
            ready += 1
        else:
            at_s, count = changes.pop(0)
            for _ in range(count - ready - len(coming)):
                heappush(coming, at_s + random.uniform(lead.shortest_s, lead.longest_s))
            while coming and ready + len(coming) > count:
                coming.remove(max(coming))
            heapify(coming)
            ready = min(ready, count)
        if real[-1][1] != ready:
            real.append((at_s, ready))
    return real


def highest_rate_per_s(
    services_s: FloatArray,
    gaps: FloatArray,
    servers: int,
    *,
    limit_s: float = 0.2,
    level: float = 0.95,
    of: Literal["latency", "wait"] = "latency",
    overhead_s: float = 0.0,
) -> float:
    """Calls per second up to which share `level` of them stays within `limit_s`, by simulation.

    Args:
        services_s: (calls,), drawn service times.
        gaps: (calls,), times between arrivals at a rate of 1, drawn; the same ones are used at every rate.
        servers: that are there all the time.
        of: what is limited: from arrival to answer, or to the beginning of service (for calls that take
            seconds by themselves).
        overhead_s: added to every call, such as the gateway's.

    Returns:
        0.0 when even a call that never waits is too slow.
    """
    arrived = np.cumsum(gaps)

    def quantile_s(rate_per_s: float) -> float:
        served = simulate_queue(arrived / rate_per_s, services_s, [(0.0, servers)])
        limited = served.latencies_s if of == "latency" else served.waits_s
        return float(np.quantile(limited, level)) + overhead_s

    alone_s = float(np.quantile(services_s, level)) if of == "latency" else 0.0
    if alone_s + overhead_s > limit_s:
        return 0.0
    low, high = 0.0, servers / float(services_s.mean())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if quantile_s(middle) <= limit_s else (low, middle)
    return low
