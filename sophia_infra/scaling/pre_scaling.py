"""Whether to add or remove nodes now, from a prediction and a look at the fleet. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Literal

from sophia_infra.scaling.backtest import FRESH_S
from sophia_infra.scaling.capacity import Capacity, LeadTime
from sophia_infra.scaling.errors import SettingsRefused
from sophia_infra.scaling.fleet import FleetView
from sophia_infra.scaling.prediction import PODS_AHEAD_S, Prediction

__all__ = ["Decision", "ScaleSettings", "decide"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleSettings:
    """Limits of one scaled group of nodes.

    Attributes:
        group: its name, part of every intent.
        capacity: what a node carries.
        lead: from launch to use.
        lead_level: share of launches whose lead time is covered. Default 0.95.
        level: quantile of the load to have room for; has to be among the predicted ones. Default 0.9.
        min_nodes: never fewer: the nodes that are always on. Default 1.
        max_nodes: never more: the ceiling of the GPU type.
        warm_spare: nodes beyond the need. Default 0.
        every_s: seconds between two decisions; a need that arises until the next is met now. Default 60.
        cool_down_s: no release so soon after a launch or another release. Default 30 minutes.
        max_data_age_s: older measurements decide nothing. Default 15 minutes.
        max_prediction_age_s: nor does an older prediction. Default 15 minutes.
        usd_per_hour: of one node, list price.
        budget_usd_per_hour: of all that runs in the account; None: no budget.
        quota_instances: of the account; None: not known.
        dry_run: decide and act on nothing. Default True: acting is a choice.
    """

    group: str
    capacity: Capacity
    lead: LeadTime
    max_nodes: int
    usd_per_hour: Decimal
    lead_level: float = 0.95
    level: float = 0.9
    min_nodes: int = 1
    warm_spare: int = 0
    every_s: float = 60.0
    cool_down_s: float = 1800.0
    max_data_age_s: float = FRESH_S
    max_prediction_age_s: float = FRESH_S
    budget_usd_per_hour: Decimal | None = None
    quota_instances: int | None = None
    dry_run: bool = True

    def __post_init__(self) -> None:
        problems = (
            ("min_nodes", self.min_nodes, self.min_nodes < 0, "at least 0"),
            ("max_nodes", self.max_nodes, self.max_nodes < self.min_nodes, f"at least {self.min_nodes}"),
            ("warm_spare", self.warm_spare, self.warm_spare < 0, "at least 0"),
            ("usd_per_hour", self.usd_per_hour, self.usd_per_hour <= 0, "above 0"),
            ("level", self.level, not 0 < self.level < 1, "between 0 and 1"),
            ("every_s", self.every_s, not (isfinite(self.every_s) and self.every_s > 0), "above 0"),
            ("cool_down_s", self.cool_down_s, not self.cool_down_s >= 0, "at least 0"),
            ("max_data_age_s", self.max_data_age_s, not self.max_data_age_s > 0, "above 0"),
        )
        for name, value, wrong, allowed in problems:
            if wrong:
                raise SettingsRefused(f"{name} is {value}.", next_step=f"choose a number {allowed}.")

    @property
    def lead_s(self) -> float:
        """Seconds from a launch until the node takes load, as planned for."""
        return self.lead.quantile_s(self.lead_level)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and why.

    Attributes:
        at_s: when it was decided, seconds since 1970.
        action: launch, release or nothing.
        count: nodes to launch or to release; 0 for nothing.
        needed_nodes: that the load and the spare need, before any limit.
        wanted_nodes: after the limits.
        wanted_replicas: that the load needs within the time a pod takes; HPA and KEDA decide about pods.
        counted_on: nodes that take load or will, as it was seen.
        limited_by: of `ceiling`, `budget`, `quota`: which kept `wanted_nodes` below `needed_nodes`.
        reason: one sentence for people.
        intent: the same until the fleet is seen to have changed; see `Actuator`.
        usd_per_hour: by how much the run rate changes, list price.
        dry_run: nobody acts on it.
        done: nodes on which the actuator acted; 0 before, and in a dry run.
    """

    at_s: float
    action: Literal["launch", "release", "none"]
    count: int
    needed_nodes: int
    wanted_nodes: int
    wanted_replicas: int
    counted_on: int
    limited_by: tuple[str, ...]
    reason: str
    intent: str
    usd_per_hour: Decimal
    dry_run: bool
    done: int = 0


def decide(prediction: Prediction, fleet: FleetView, settings: ScaleSettings, now_s: float) -> Decision:
    """Launch what is needed before a node that is launched a decision later could be of use; release what is
    not needed for the whole predicted hour.

    Nothing is done when the measurement or the prediction is too old. Limits bind launches; they release
    nothing by themselves, since a fleet over its budget is somebody's to decide about.

    Raises:
        SettingsRefused: `settings.level` was not predicted.
    """
    stale = _staleness(prediction, settings, now_s)
    if stale:
        return _decision(prediction, fleet, settings, now_s, "none", 0, stale)
    reach_s = now_s + settings.lead_s + settings.every_s
    soon = _nodes(settings, max(prediction.last_measured, prediction.peak(settings.level, now_s, reach_s)))
    hour_s = max(reach_s, float(prediction.end_s))
    later = _nodes(settings, max(prediction.last_measured, prediction.peak(settings.level, now_s, hour_s)))
    wanted, limits = _within_limits(soon, fleet, settings)
    have = fleet.counted_on
    if wanted > have:
        reason = (
            f"{wanted} nodes are needed within {settings.lead_s / 60:.0f} min, the time a node takes; "
            f"{have} are there or coming"
        )
        return _decision(prediction, fleet, settings, now_s, "launch", wanted - have, reason, soon, limits)
    spare = min(have - max(later, settings.min_nodes), fleet.ready)
    if soon > have:
        reason = f"{soon} nodes are needed, but {' and '.join(limits)} allows no more than {have}"
    elif spare <= 0:
        reason = f"{have} nodes are there or coming, and needed within the hour"
    elif (waits_s := _cooling_s(fleet, settings, now_s)) > 0:
        reason = f"{spare} nodes too many; cooling down for another {waits_s / 60:.0f} min"
    else:
        reason = f"{later} nodes are enough for the whole hour; {have} are there"
        return _decision(prediction, fleet, settings, now_s, "release", spare, reason, soon, limits)
    return _decision(prediction, fleet, settings, now_s, "none", 0, reason, soon, limits)


def _staleness(prediction: Prediction, settings: ScaleSettings, now_s: float) -> str | None:
    measured_s = now_s - prediction.measured_until_s
    if measured_s > settings.max_data_age_s:
        return f"the load was last measured {measured_s / 60:.0f} min ago: nothing is decided by that"
    if now_s - prediction.made_at_s > settings.max_prediction_age_s:
        made_s = now_s - prediction.made_at_s
        return f"the prediction is {made_s / 60:.0f} min old: nothing is decided by that"
    return None


def _nodes(settings: ScaleSettings, load: float) -> int:
    return max(settings.capacity.nodes_for(load) + settings.warm_spare, settings.min_nodes)


def _within_limits(needed: int, fleet: FleetView, settings: ScaleSettings) -> tuple[int, tuple[str, ...]]:
    """As many as ceiling, quota and budget allow; never fewer than there are because of them."""
    have = fleet.counted_on
    billed_too = fleet.leaving
    allowed = {"ceiling": settings.max_nodes - billed_too}
    if settings.quota_instances is not None:
        allowed["quota"] = settings.quota_instances - fleet.other_instances - billed_too
    if settings.budget_usd_per_hour is not None:
        left = settings.budget_usd_per_hour - fleet.other_usd_per_hour
        allowed["budget"] = int(left // settings.usd_per_hour) - billed_too
    limits = tuple(name for name, most in allowed.items() if most < needed)
    return max(min(needed, *allowed.values()), min(have, needed)), limits


def _cooling_s(fleet: FleetView, settings: ScaleSettings, now_s: float) -> float:
    changed = [one for one in (fleet.last_launch_s, fleet.last_release_s) if one is not None]
    return max(changed) + settings.cool_down_s - now_s if changed else 0.0


def _decision(
    prediction: Prediction,
    fleet: FleetView,
    settings: ScaleSettings,
    now_s: float,
    action: Literal["launch", "release", "none"],
    count: int,
    reason: str,
    needed: int | None = None,
    limits: tuple[str, ...] = (),
) -> Decision:
    have = fleet.counted_on
    sign = {"launch": 1, "release": -1, "none": 0}[action]
    soon = prediction.peak(settings.level, now_s, now_s + PODS_AHEAD_S)
    return Decision(
        at_s=now_s,
        action=action,
        count=count,
        needed_nodes=have if needed is None else needed,
        wanted_nodes=have + sign * count,
        wanted_replicas=settings.capacity.replicas_for(max(soon, prediction.last_measured)),
        counted_on=have,
        limited_by=limits,
        reason=reason,
        intent=_intent(fleet, settings, action),
        usd_per_hour=sign * count * settings.usd_per_hour,
        dry_run=settings.dry_run,
    )


def _intent(fleet: FleetView, settings: ScaleSettings, action: str) -> str:
    """Nothing in it moves while the fleet looks the same: neither the time nor the size of the need."""
    changed_s = max(fleet.last_launch_s or 0.0, fleet.last_release_s or 0.0)
    return f"{settings.group}:{action}:{int(changed_s)}:{fleet.counted_on}"
