"""The plan of a run: where, at what price, until when at the latest, and what it costs at worst. Pure.

A dry run prints the very plan that a run carries out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sophia_infra.lambda_cloud.pacing import LAUNCH_INTERVAL_S
from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.errors import did_you_mean
from sophia_infra.model.money import format_usd
from sophia_infra.model.training import ClusterConfig
from sophia_infra.training.caps import LEAST_S, latest_end
from sophia_infra.training.errors import CapRefused, NoRoom, RunMissing
from sophia_infra.training.history import odds
from sophia_infra.training.plan_checks import (
    Limits,
    Market,
    checked_caps,
    checked_key,
    checked_nodes,
    checked_regions,
    checked_types,
)
from sophia_infra.training.run_spec import Choice

__all__ = ["Ranked", "RunPlan", "cluster_of_workload", "plan_run"]

BOOT_S: Final = 1500.0
"""Longest boot seen for 8 GPUs (facts 1.6): what a cluster costs that in the end does not come up whole."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A choice as the plan sees it.

    Attributes:
        has_room: whether the region lists capacity now; how much of it, nobody says.
        odds: chance, 0 to 1, that all nodes come up, by own history.
        usd_worst: dollars when it runs until the latest end.
        runs_s: seconds from the first launch to the latest end.
        ended_by: "max_hours" or "max_usd", whichever ends it first.
    """

    choice: Choice
    has_room: bool
    odds: float
    usd_worst: Decimal
    runs_s: int
    ended_by: str


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run would do. `ranked` has what can be tried, best first; never empty."""

    cluster: str
    config: ClusterConfig
    ssh_key: str
    nodes: int
    min_nodes: int
    max_usd: Decimal
    max_hours: int
    ranked: tuple[Ranked, ...]

    @property
    def best(self) -> Ranked:
        return self.ranked[0]

    @property
    def usd_per_hour(self) -> Decimal:
        """Of all nodes of the best choice."""
        return self.best.choice.usd_per_hour * self.nodes

    @property
    def launch_floor_s(self) -> float:
        """Seconds that launching takes at least: one launch in 12 s."""
        return (self.nodes - 1) * LAUNCH_INTERVAL_S

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know before saying yes."""
        found = list(self.config.hints)
        if self.best.ended_by == "max_usd":
            lasts = f"{format_usd(self.max_usd)} last {_spell(self.best.runs_s)}"
            found.append(
                f"{lasts} at {format_usd(self.usd_per_hour)}/h, so the run is ended then, before its "
                f"{self.max_hours} h."
            )
        if not self.best.has_room:
            found.append("Nothing allowed lists capacity now; the run waits for it within its limits.")
        if self.config.self_terminate:
            found.append(
                "self_terminate puts an API key on every machine, and every key of Lambda has full access to "
                "the account."
            )
        return tuple(found)

    def as_json(self) -> dict[str, Any]:
        """Plain data; money as decimal text."""
        return {
            "cluster": self.cluster,
            "workload": self.config.workload,
            "nodes": self.nodes,
            "min_nodes": self.min_nodes,
            "usd_per_hour": str(self.usd_per_hour),
            "max_usd": str(self.max_usd),
            "max_hours": self.max_hours,
            "launch_floor_s": self.launch_floor_s,
            "choices": [
                {
                    "instance_type": one.choice.instance_type,
                    "region": one.choice.region,
                    "usd_per_hour_of_a_node": str(one.choice.usd_per_hour),
                    "lists_capacity": one.has_room,
                    "odds": round(one.odds, 3),
                    "usd_worst": str(one.usd_worst),
                    "runs_s": one.runs_s,
                    "ended_by": one.ended_by,
                }
                for one in self.ranked
            ],
            "notes": list(self.notes),
        }


def cluster_of_workload(clusters: Mapping[str, ClusterConfig], workload: str) -> str:
    """The name of the cluster that this workload runs on. Raises RunMissing, naming all."""
    found = next((name for name, cluster in clusters.items() if cluster.workload == workload), None)
    if found is not None:
        return found
    known = [cluster.workload for cluster in clusters.values()]
    if not known:
        raise RunMissing(
            f"No workload {workload!r}: the stack has no training clusters.",
            next_step="describe one under `sophia:training` in the stack file (docs/training.md).",
        )
    raise RunMissing(
        f"No workload {workload!r} is in sophia:training{did_you_mean(workload, known)}.",
        next_step=f"use one of: {', '.join(known)}.",
    )


def plan_run(
    name: str, config: ClusterConfig, limits: Limits, market: Market, *, ssh_key: str | None, poll_s: float
) -> RunPlan:
    """Decide where the run goes and what it may cost, without sending anything.

    The wanted type comes first whatever a fallback costs. Among places of one type the order is by dollars
    to be expected, which is the price and what a failed try costs at our own odds, then by the file's order.

    Raises:
        RunRefused: a node count, type, region, key or filesystem that is not there or not allowed.
        CapRefused: a limit above the file's, or one that does not pay for an hour.
        NoRoom: no allowed place lists capacity, and the cluster does not wait for it.
    """
    nodes = checked_nodes(name, config, limits)
    max_usd, max_hours = checked_caps(name, config, limits)
    regions = checked_regions(name, config, limits, market)
    key = checked_key(name, config.ssh_key or ssh_key, market)
    ranked = [
        _rank(Choice(type_name, region, price), nodes, max_usd, max_hours, market, poll_s)
        for type_name, price in checked_types(name, config, limits, market).items()
        for region in regions
    ]
    in_file = {region: at for at, region in enumerate(config.regions)}
    in_types = {type_name: at for at, type_name in enumerate(config.types)}
    ranked.sort(
        key=lambda one: (
            in_types[one.choice.instance_type],
            _expected_usd(one, nodes),
            in_file[one.choice.region],
        )
    )
    affordable = [one for one in ranked if one.runs_s >= LEAST_S]
    if not affordable:
        raise _too_dear(name, ranked, nodes, max_usd)
    open_now = [one for one in affordable if one.has_room]
    if not open_now and config.wait_for_capacity is None:
        places = ", ".join(dict.fromkeys(str(one.choice) for one in affordable))
        raise NoRoom(
            f"{name}: no capacity is listed for {places}. Nothing was launched.",
            next_step="try again later, allow more regions or `fallbacks`, or opt in to `wait_for_capacity`.",
        )
    least = nodes if config.min_nodes is None else min(config.min_nodes, nodes)
    return RunPlan(name, config, key, nodes, least, max_usd, max_hours, tuple(open_now or affordable))


def _rank(
    choice: Choice, nodes: int, max_usd: Decimal, max_hours: int, market: Market, poll_s: float
) -> Ranked:
    end = latest_end(
        began_s=market.now_s,
        now_s=market.now_s,
        max_hours=max_hours,
        max_usd=max_usd,
        spent_usd=Decimal(0),
        nodes=nodes,
        usd_per_hour=choice.usd_per_hour,
        poll_s=poll_s,
    )
    runs_s = end.at_s - int(market.now_s)
    return Ranked(
        choice,
        choice.region in market.types[choice.instance_type].regions_with_capacity,
        odds(market.launches, choice.instance_type, choice.region, market.now_s),
        min(max_usd, choice.usd_per_hour * nodes * max_hours),
        runs_s,
        end.by,
    )


def _expected_usd(one: Ranked, nodes: int) -> Decimal:
    """Price of an hour, and of the tries that come to nothing before one comes up whole."""
    failures = Decimal(str((1 - one.odds) / one.odds))
    wasted_h = Decimal(str(BOOT_S + nodes * LAUNCH_INTERVAL_S)) / 3600
    return one.choice.usd_per_hour * nodes * (1 + failures * wasted_h)


def _too_dear(name: str, ranked: Iterable[Ranked], nodes: int, max_usd: Decimal) -> CapRefused:
    cheapest = min(ranked, key=lambda one: one.choice.usd_per_hour)
    rate = cheapest.choice.usd_per_hour * nodes
    lasts = _spell(max(0, cheapest.runs_s))
    machines = f"{nodes} x {CATALOGUE[cheapest.choice.instance_type].name}"
    return CapRefused(
        f"{name}: {machines} cost {format_usd(rate)}/h, so {format_usd(max_usd)} last {lasts} beside what "
        "ending them takes: less than an hour, of which a boot may take 25 min. Nothing was launched.",
        next_step="raise max_usd, or ask for fewer nodes.",
    )


def _spell(duration_s: float) -> str:
    minutes = int(duration_s) // 60
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
