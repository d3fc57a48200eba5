"""Whether the GPUs that pods may ask for exist: requests, replicas and what autoscalers may make of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sophia_infra.model.catalogue import CATALOGUE
from sophia_policies.kubernetes import (
    PodTemplate,
    gpu_model_in,
    gpus_of,
    has_pods,
    max_replicas,
    pod_template,
    selector_values,
)
from sophia_policies.machines import machines_of
from sophia_policies.plain import Resource, is_unknown, text_of
from sophia_policies.rule import Finding, Setting, Situation, StackRule, cannot_tell, violation

__all__ = ["FLEET_SETTINGS", "RULES", "Demand", "Supply", "demands_of", "supply_of", "wanted_model"]

_COUNTS = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}
_PLACED_AT_MOST = 10_000

FLEET_SETTINGS: Mapping[str, Setting] = {
    "fleet": Setting(
        _COUNTS,
        {},
        'GPUs by model, for example `{"A100": 1}`, for a stack without machines of its own; else '
        "they are counted",
    ),
    "shares": Setting(
        _COUNTS,
        {},
        'pods that may share one GPU of a model (time-slicing), for example `{"A6000": 4}`; default 1',
    ),
}


@dataclass(frozen=True, slots=True)
class Supply:
    """GPU places by node: (model, places), sharing counted. `uncertain`: machines of unknown type."""

    nodes: tuple[tuple[str, int], ...]
    uncertain: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return sum(places for _model, places in self.nodes)

    def of(self, model: str | None) -> list[int]:
        """Places by node that a pod for `model` (None: any) may use."""
        return [places for own, places in self.nodes if model in (None, own)]


@dataclass(frozen=True, slots=True)
class Demand:
    """GPU pods of one workload at its largest.

    Attributes:
        pods: replicas, or the autoscaler's maximum; UNKNOWN when it cannot be known yet.
        gpus: of one pod; UNKNOWN likewise.
        model: the GPU model its node selector names; None for any.
        scaler: an autoscaler sets `pods`.
    """

    template: PodTemplate
    pods: Any
    gpus: Any
    model: str | None
    scaler: bool


def supply_of(resources: Sequence[Resource], situation: Situation) -> Supply | None:
    """The GPUs of the stack's machines, else those of the setting `fleet`; None when there are neither."""
    shares: Mapping[str, int] = situation.settings["shares"]
    machines = machines_of(resources)
    if machines:
        rows = [machine.row for machine in machines if machine.row]
        nodes = tuple(
            (row.gpu_model, row.gpu_count * shares.get(row.gpu_model, 1)) for row in rows if row.gpu_model
        )
        unknown = tuple(machine.name for machine in machines if is_unknown(machine.type))
        return Supply(nodes, unknown)
    fleet: Mapping[str, int] = situation.settings["fleet"]
    if not fleet:
        return None
    return Supply(tuple((model, count * shares.get(model, 1)) for model, count in fleet.items()))


def wanted_model(template: PodTemplate) -> str | None:
    """The GPU model that the pod's node selector or required affinity names; None when it names none."""
    for key, value in selector_values(template):
        if is_unknown(value):
            continue
        model = gpu_model_in(text_of(value))
        if model is not None and ("gpu" in key.lower() or text_of(value) in CATALOGUE):
            return model
    return None


def demands_of(resources: Sequence[Resource], supply: Supply | None) -> Iterator[Demand]:
    """The GPU demand of each workload; those without GPUs are left out."""
    limits = max_replicas(resources)
    for resource in resources:
        if not has_pods(resource):
            continue
        template = pod_template(resource)
        gpus = gpus_of(template)
        if not is_unknown(gpus) and gpus == 0:
            continue
        model = wanted_model(template)
        if template.kind == "DaemonSet":
            pods: Any = len(supply.of(model)) if supply else 1
            yield Demand(template, pods, gpus, model, scaler=False)
            continue
        scaled = limits.get(template.key)
        yield Demand(template, _larger(template.replicas, scaled), gpus, model, scaler=scaled is not None)


def _larger(replicas: Any, limit: Any) -> Any:
    if limit is None:
        return replicas
    if is_unknown(replicas) or is_unknown(limit):
        return replicas if is_unknown(limit) and not is_unknown(replicas) else limit
    return max(replicas, limit)


def _check_capacity(resources: Sequence[Resource], situation: Situation) -> Iterator[Finding]:
    supply = supply_of(resources, situation)
    wanted = list(demands_of(resources, supply))
    if not wanted:
        return
    if supply is None:
        yield cannot_tell(
            "pods ask for GPUs, and this stack has no machines; set `fleet` of this rule to what "
            "the cluster has"
        )
        return
    if supply.uncertain:
        yield cannot_tell(f"the GPUs of {', '.join(supply.uncertain)} are not known; they count as none")
    known: list[Demand] = []
    for demand in wanted:
        resource = demand.template.resource
        if is_unknown(demand.pods) or is_unknown(demand.gpus):
            what = "replicas" if is_unknown(demand.pods) else "GPU request"
            yield cannot_tell(f"the {what} of {resource.name} are not known; counted as 1", resource)
            demand = Demand(
                demand.template,
                1 if is_unknown(demand.pods) else demand.pods,
                1 if is_unknown(demand.gpus) else demand.gpus,
                demand.model,
                demand.scaler,
            )
        known.append(demand)
    yield from _place(known, supply)


def _place(demands: Sequence[Demand], supply: Supply) -> Iterator[Finding]:
    """First fit, largest pods first, those bound to a model before the others."""
    free = {number: places for number, (_model, places) in enumerate(supply.nodes)}
    ordered = sorted(demands, key=lambda demand: (demand.model is None, -demand.gpus))
    for demand in ordered:
        placed = 0
        for _pod in range(min(demand.pods, _PLACED_AT_MOST)):
            node = next(
                (
                    number
                    for number, (model, _places) in enumerate(supply.nodes)
                    if demand.model in (None, model) and free[number] >= demand.gpus
                ),
                None,
            )
            if node is None:
                break
            free[node] -= demand.gpus
            placed += 1
        if placed < demand.pods:
            yield violation(_unplaced(demand, placed, supply), demand.template.resource)


def _unplaced(demand: Demand, placed: int, supply: Supply) -> str:
    kind = f" {demand.model}" if demand.model else ""
    pods = f"{demand.pods} pod{'s' if demand.pods != 1 else ''}"
    source = ", which its autoscaler may ask for," if demand.scaler else ""
    there = sum(supply.of(demand.model))
    return (
        f"{demand.template.resource.name}: {pods} of {demand.gpus}{kind} GPU each{source} "
        "cannot all be placed: "
        f"the fleet has {there}{kind} GPU{'s' if there != 1 else ''}, and {placed} of them find a place"
    )


RULES: Iterable[StackRule] = (
    StackRule(
        name="gpu-capacity",
        level="mandatory",
        summary="Every GPU pod finds a place on the fleet, at the most replicas that HPA and KEDA "
        "may ask for.",
        reason="A pod without a place stays pending for ever, and nobody is told.",
        fix="Lower replicas, `maxReplicas` or `maxReplicaCount`, or add machines of that GPU model.",
        settings=FLEET_SETTINGS,
        check=_check_capacity,
    ),
)
