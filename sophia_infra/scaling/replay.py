"""Weeks of a load in virtual time, on the emulator, under one policy or another: what each would have cost.

Calls are simulated one by one, nodes are the emulator's. Nothing waits: four weeks take seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final, Literal, get_args

import numpy as np

from sophia_infra.model.clock import VirtualClock
from sophia_infra.model.price_book import PriceBook
from sophia_infra.scaling.capacity import JOIN_S, Capacity, LeadTime
from sophia_infra.scaling.emulated_fleet import EmulatedFleet
from sophia_infra.scaling.errors import SettingsRefused
from sophia_infra.scaling.pre_scaling import ScaleSettings
from sophia_infra.scaling.prediction import ForecastSettings
from sophia_infra.scaling.queueing import Queue
from sophia_infra.scaling.replay_policies import Fixed, Policy, Predictive, Reactive, TraceSource
from sophia_infra.scaling.series import HOUR_S, WEEK_S, FloatArray, Series
from sophia_infra.scaling.service_mix import ServiceMix
from sophia_infra.scaling.traces import make_trace

__all__ = ["POLICIES", "PolicyName", "Replay", "ReplayResult", "replay"]

PolicyName = Literal["fixed at peak", "fixed at average", "reactive", "reactive + spare", "predictive"]
POLICIES: Final[tuple[PolicyName, ...]] = get_args(PolicyName)

_MEASURED_TICKS: Final = 5
_SLOW_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What is replayed.

    Attributes:
        shape, seed: of the trace; the seed is also that of calls and boots.
        weeks: that are replayed, after six weeks that only forecasts learn from.
        peak_per_s: calls per second in the busiest hours.
        instance_type, region: of the nodes. Default A100, where the fleet has one.
        slots_per_node: calls that a node works on at the same time.
        target_ratio: share of the slots to plan for.
        join_s: from active until a node takes load.
        boot_s: the emulator's boot times for the type, shortest and longest, for the lead time.
        dry_spells_per_week: times of one to three hours in which the region has no room for one node more.
        unhealthy_share: of launches.
        tick_s: seconds between two looks of a policy.
    """

    shape: str = "plan"
    seed: int = 0
    weeks: int = 4
    history_weeks: int = 6
    peak_per_s: float = 10.0
    instance_type: str = "gpu_1x_a100_sxm4"
    region: str = "us-south-1"
    slots_per_node: int = 8
    target_ratio: float = 0.75
    join_s: float = JOIN_S
    max_nodes: int = 64
    dry_spells_per_week: float = 0.0
    unhealthy_share: float = 0.0
    tick_s: int = 60
    mix: ServiceMix = field(default_factory=ServiceMix)
    forecast: ForecastSettings = field(default_factory=ForecastSettings)

    @property
    def capacity(self) -> Capacity:
        """A node carries its slots over the mean service time, calls per second."""
        return Capacity(self.slots_per_node / self.mix.mean_s, self.target_ratio)


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What a policy cost and what it missed.

    Attributes:
        policy: which.
        node_hours: from launch to end of all nodes.
        usd: for these at list price, as the emulator bills them.
        most_nodes: that took load at the same time.
        launches: of nodes, after those of the beginning.
        refused: launches that the region had no room for.
        calls: in all; unserved: of these still waiting at the end.
        p95_wait_s, p99_wait_s: from arrival to the beginning of service.
        p95_latency_s: from arrival to answer, of all calls.
        slow_share: of calls that waited for more than 200 ms.
        missed_minutes: in which the load was above the slots that were there.
    """

    policy: PolicyName
    node_hours: float
    usd: Decimal
    most_nodes: int
    launches: int
    refused: int
    calls: int
    unserved: int
    p95_wait_s: float
    p99_wait_s: float
    p95_latency_s: float
    slow_share: float
    missed_minutes: float


def replay(settings: Replay, policy: PolicyName) -> ReplayResult:
    """Run one policy. The same settings give the same result.

    Raises:
        SettingsRefused: unknown shape, or numbers that cannot be.
    """
    if policy not in POLICIES:
        raise SettingsRefused(f"policy is {policy!r}.", next_step=f"choose one of {', '.join(POLICIES)}.")
    trace = make_trace(
        settings.shape,
        weeks=settings.history_weeks + settings.weeks,
        seed=settings.seed,
        step_s=settings.tick_s,
        peak_per_s=settings.peak_per_s,
    )
    start_s = trace.true.start_s + settings.history_weeks * WEEK_S
    loads = trace.true.between(start_s, trace.true.end_s).values
    clock = VirtualClock(float(start_s - 2 * HOUR_S))
    fleet = EmulatedFleet(
        clock,
        instance_type=settings.instance_type,
        region=settings.region,
        join_s=settings.join_s,
        drain_s=settings.mix.longest_s,
        seed=settings.seed,
        unhealthy_share=settings.unhealthy_share,
    )
    begin = {"fixed at peak": float(loads.max()), "fixed at average": float(loads.mean())}
    fleet.preload(max(1, settings.capacity.nodes_for(begin.get(policy, float(loads[0])))), settings.tick_s)
    fleet.tick(start_s - clock.now())
    chosen = _policy(policy, settings, fleet, trace.seen, clock)
    try:
        return _run(settings, policy, chosen, fleet, clock, loads)
    finally:
        chosen.close()


def _policy(
    name: PolicyName, settings: Replay, fleet: EmulatedFleet, seen: Series, clock: VirtualClock
) -> Policy:
    if name in ("fixed at peak", "fixed at average"):
        return Fixed()
    boots = fleet.cloud.settings.boot_ranges_s
    gpus = int(settings.instance_type.split("_")[1].removesuffix("x"))
    _, shortest_s, longest_s = next(one for one in reversed(boots) if one[0] <= gpus)
    scale = ScaleSettings(
        group="replay",
        capacity=settings.capacity,
        lead=LeadTime(shortest_s + settings.join_s, longest_s + settings.join_s),
        max_nodes=settings.max_nodes,
        usd_per_hour=PriceBook.fallback().get(settings.instance_type),
        every_s=settings.tick_s,
        dry_run=False,
    )
    if name == "predictive":
        return Predictive(fleet, scale, settings.forecast, TraceSource(seen, clock), clock)
    return Reactive(fleet, replace(scale, warm_spare=1) if name == "reactive + spare" else scale)


def _run(
    settings: Replay,
    name: PolicyName,
    policy: Policy,
    fleet: EmulatedFleet,
    clock: VirtualClock,
    loads: FloatArray,
) -> ReplayResult:
    random = np.random.default_rng([settings.seed, 1])
    spells = _dry_spells(settings, len(loads))
    queue = Queue(clock.now())
    usd, hours = fleet.usd, fleet.node_hours
    missed, most, tick_s = 0, 0, settings.tick_s
    for tick, load in enumerate(loads.tolist()):
        now_s = clock.now()
        fleet.set_room(fleet.look().counted_on if spells[tick] else None)
        recent = loads[max(0, tick - _MEASURED_TICKS) : tick]
        policy.act(now_s, float(recent.mean()) if len(recent) else load)
        ready = fleet.ready
        calls = round(load * tick_s)
        arrivals = now_s + tick_s * np.sort(random.random(calls))
        slots = ready * settings.slots_per_node
        queue.run(now_s + tick_s, slots, arrivals, settings.mix.draw(random, calls))
        missed += load * settings.mix.mean_s > slots
        most = max(most, ready)
        fleet.tick(tick_s)
    served = queue.served()
    waits = np.quantile(served.waits_s, (0.95, 0.99))
    return ReplayResult(
        policy=name,
        node_hours=fleet.node_hours - hours,
        usd=fleet.usd - usd,
        most_nodes=most,
        launches=fleet.launches,
        refused=fleet.refused,
        calls=len(served.waits_s),
        unserved=served.unserved,
        p95_wait_s=float(waits[0]),
        p99_wait_s=float(waits[1]),
        p95_latency_s=float(np.quantile(served.latencies_s, 0.95)),
        slow_share=float(np.mean(served.waits_s > _SLOW_S)),
        missed_minutes=missed * tick_s / 60,
    )


def _dry_spells(settings: Replay, ticks: int) -> FloatArray:
    """1 in ticks in which the region has no room."""
    random = np.random.default_rng([settings.seed, 2])
    dry = np.zeros(ticks)
    for _ in range(int(random.poisson(settings.dry_spells_per_week * settings.weeks))):
        begin = int(random.integers(ticks))
        dry[begin : begin + int(random.uniform(1, 3) * HOUR_S / settings.tick_s)] = 1
    return dry
