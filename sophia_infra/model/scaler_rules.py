"""What cannot go together in `sophia:scaler`, and with the rest of the stack file. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from sophia_infra.model.catalogue import CATALOGUE, IMAGE_FAMILIES, human_instance_type
from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import Conflict

if TYPE_CHECKING:
    from sophia_infra.model.scaler import DemandConfig, ScalerConfig, ScalerPool, ScheduledMin

__all__ = ["find_demand_conflicts", "find_pool_conflicts", "find_scaler_conflicts", "find_window_conflicts"]


def find_scaler_conflicts(
    section: ScalerConfig, *, fleet: Collection[str], has_ssh: bool, has_kubernetes: bool
) -> list[Conflict]:
    """What does not go together with the rest of the stack file, with paths from its top.

    Args:
        fleet: labels and names of the fleet's machines.
    """
    found: list[Conflict] = []
    for name, pool in section.pools.items():
        taken = [one for one in fleet if re.fullmatch(rf"{re.escape(name)}-scaled-[0-9]+", one)]
        if taken:
            found.append(
                _at((name,), Refused(f"would name its machines as {taken[0]} of the fleet is named"))
            )
        if pool.ssh_key is None and not has_ssh:
            found.append(
                _at((name, "ssh_key"), Refused("is missing, and so is sophia:ssh: a launch takes one"))
            )
        for at, demand in enumerate(pool.demand):
            if demand.source == "pending_pods" and not has_kubernetes:
                loc = (name, "demand", at, "source")
                found.append(_at(loc, Refused("needs sophia:kubernetes"), demand.source))
    return found


def find_pool_conflicts(pool: ScalerPool) -> list[Conflict]:
    """Within one pool."""
    found = []
    if pool.min > pool.max:
        found.append(Conflict(("min",), Refused("is above max", allowed=f"0 to {pool.max}"), pool.min))
    if pool.warm_spares > pool.max:
        found.append(
            Conflict(("warm_spares",), Refused("is above max", allowed=f"0 to {pool.max}"), pool.warm_spares)
        )
    for at, window in enumerate(pool.schedule):
        if window.min > pool.max:
            refused = Refused("is above the pool's max", allowed=f"0 to {pool.max}")
            found.append(Conflict(("schedule", at, "min"), refused, window.min))
    for at, name in enumerate(pool.fallbacks):
        if name in pool.types[: at + 1]:
            found.append(Conflict(("fallbacks", at), Refused("is named twice"), human_instance_type(name)))
    for at, demand in enumerate(pool.demand):
        if demand.source == "pending_pods" and not CATALOGUE[pool.type].gpu_count:
            refused = Refused("counts GPUs, and the pool's type has none")
            found.append(Conflict(("demand", at, "source"), refused, demand.source))
    return [*found, *_find_wrong_image(pool)]


def _find_wrong_image(pool: ScalerPool) -> list[Conflict]:
    architectures = {CATALOGUE[name].architecture for name in pool.types}
    family = pool.image_family
    if len(architectures) > 1 and family is None:
        refused = Refused("have both CPU architectures: name an image_family that exists for both")
        return [Conflict(("fallbacks",), refused)]
    if family is not None and not IMAGE_FAMILIES[family] >= architectures:
        fitting = [name for name, made_for in IMAGE_FAMILIES.items() if made_for >= architectures]
        refused = Refused(
            f"does not exist for {', '.join(sorted(architectures))}", allowed=", ".join(fitting)
        )
        return [Conflict(("image_family",), refused, family)]
    return []


def find_demand_conflicts(demand: DemandConfig) -> list[Conflict]:
    """Which keys a source needs, and which it does not know."""
    found = []
    given: Mapping[str, object] = {"query": demand.query, "per_node": demand.per_node}
    if demand.source == "pending_pods":
        for key, value in given.items():
            if value is not None:
                found.append(
                    Conflict((key,), Refused("is not known to pending_pods, which counts GPUs"), value)
                )
        return found
    if demand.per_node is None:
        found.append(Conflict(("per_node",), Refused("is missing: what one node carries has to be measured")))
    if demand.source == "prometheus" and demand.query is None:
        found.append(Conflict(("query",), Refused("is missing: which load counts is yours to say")))
    return found


def find_window_conflicts(window: ScheduledMin) -> list[Conflict]:
    """Within one entry of a schedule."""
    found = []
    if not window.days:
        found.append(Conflict(("days",), Refused("is empty", allowed="mon, tue, wed, thu, fri, sat, sun")))
    if window.begin >= window.end:
        refused = Refused("is not after begin; write two entries for a night", allowed="a later time of day")
        found.append(Conflict(("end",), refused, f"{window.end // 60:02d}:{window.end % 60:02d}"))
    return found


def _at(loc: tuple[str | int, ...], refused: Refused, value: object = None) -> Conflict:
    return Conflict(("scaler", "pools", *loc), refused, value)
