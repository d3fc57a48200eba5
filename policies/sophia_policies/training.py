"""Training ends: after some time, and before it has cost too much."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sophia_infra.model.errors import UnknownPrice
from sophia_infra.model.money import format_usd
from sophia_policies.kubernetes import MAX_USD_ANNOTATION, is_kind, kind_of
from sophia_policies.lifetime import FORMS, hours_of, usd_of
from sophia_policies.machines import Machine, is_instance, machine_of
from sophia_policies.plain import Resource, entries, is_unknown, read, text_of
from sophia_policies.rule import Finding, ResourceRule, Setting, Situation, cannot_tell, violation

__all__ = ["RULES"]

_CLUSTER_GPUS = 8
_TRAINING_VALUES = ("training", "true")


def _is_training(machine: Machine) -> bool:
    """By tag `workload: training` or `training: true`, or because it has 8 GPUs."""
    marks = (machine.tag("workload"), machine.tag("training"))
    return machine.gpus >= _CLUSTER_GPUS or any(text_of(mark) in _TRAINING_VALUES for mark in marks)


def _check_machine(resource: Resource, situation: Situation) -> Iterator[Finding]:
    machine = machine_of(resource)
    if is_unknown(machine.tags) or is_unknown(machine.type):
        yield cannot_tell("its tags or its type are not known, so whether it is for training is not")
        return
    if machine.is_adopted or not _is_training(machine):
        return
    ttl, cap = machine.tag("ttl"), machine.tag("max-usd")
    if is_unknown(ttl) or is_unknown(cap):
        yield cannot_tell("tag ttl or max-usd is not known")
        return
    hours, usd = hours_of(text_of(ttl), situation.today), usd_of(text_of(cap))
    limit = situation.settings["max_hours"]
    if hours is None:
        yield violation(f"{resource.name} is for training and has no tag ttl ({FORMS})")
    elif hours > limit:
        yield violation(f"{resource.name} may live {hours} h, and {limit} h is the most for training")
    if usd is None:
        yield violation(f"{resource.name} is for training and has no hard cap: tag max-usd, in dollars")
    if hours is not None and usd is not None:
        yield from _check_cap(machine, hours, usd, situation)


def _check_cap(machine: Machine, hours: int, usd: Any, situation: Situation) -> Iterator[Finding]:
    try:
        price = situation.prices.get(text_of(machine.type))
    except UnknownPrice:
        return  # max-machine-price says so
    if price * hours > usd:
        yield violation(
            f"{machine.name} costs {format_usd(price * hours)} in its {hours} h, "
            f"more than its cap of {format_usd(usd)}"
        )


_JOB_KINDS = (("batch", "Job"), ("trainer.kubeflow.org", "TrainJob"), ("jobset.x-k8s.io", "JobSet"))


def _is_job(resource: Resource) -> bool:
    return any(is_kind(resource, group, name) for group, name in _JOB_KINDS)


def _check_job(resource: Resource, situation: Situation) -> Iterator[Finding]:
    kind = kind_of(resource)
    labels = read(resource.props, "metadata", "labels")
    if is_unknown(labels):
        yield cannot_tell("its labels are not known, so whether it is for training is not")
        return
    is_marked = isinstance(labels, Mapping) and labels.get("workload") in _TRAINING_VALUES
    if not is_marked and (kind is None or kind.name != "TrainJob"):
        return
    cap = read(resource.props, "metadata", "annotations", MAX_USD_ANNOTATION)
    if is_unknown(cap):
        yield cannot_tell(f"annotation {MAX_USD_ANNOTATION} is not known")
    elif usd_of(text_of(cap)) is None:
        yield violation(f"{resource.name} has no hard cap: annotation {MAX_USD_ANNOTATION}, in dollars")
    limit_s = situation.settings["max_hours"] * 3600
    for deadline in _deadlines(resource):
        if is_unknown(deadline):
            yield cannot_tell("activeDeadlineSeconds is not known")
        elif deadline is None:
            yield violation(f"{resource.name} has no activeDeadlineSeconds, so it may run for ever")
        elif deadline > limit_s:
            yield violation(f"{resource.name} may run {deadline} s, and {limit_s} s is the most for training")


def _deadlines(resource: Resource) -> list[Any]:
    """Of the job; of a JobSet, which has none of its own, that of each of its jobs. A missing one is None."""
    kind = kind_of(resource)
    if kind is None or kind.name != "JobSet":
        return [read(resource.props, "spec", "activeDeadlineSeconds")]
    jobs = list(entries(read(resource.props, "spec", "replicatedJobs")))
    return [read(job, "template", "spec", "activeDeadlineSeconds") for job in jobs] or [None]


_MAX_HOURS = {
    "max_hours": Setting({"type": "integer", "minimum": 1}, 72, "the longest life for training, in hours")
}

RULES: Iterable[ResourceRule] = (
    ResourceRule(
        name="training-machine-limits",
        level="mandatory",
        summary="A machine for training (tag `workload: training`, or 8 GPUs) has a ttl and a hard "
        "cap in dollars.",
        reason="A training cluster of 8 nodes costs more in a day than the fleet in a month.",
        fix="Set tags `ttl` and `max-usd` for it; the cap has to cover its list price over its life.",
        settings=_MAX_HOURS,
        applies=is_instance,
        check=_check_machine,
    ),
    ResourceRule(
        name="training-job-limits",
        level="mandatory",
        summary="A training job (label `workload: training`, or a TrainJob) has a deadline and a "
        "hard cap in dollars.",
        reason="A job that hangs keeps its GPUs until somebody looks.",
        fix=f"Set `activeDeadlineSeconds` and the annotation `{MAX_USD_ANNOTATION}`.",
        settings=_MAX_HOURS,
        applies=_is_job,
        check=_check_job,
    ),
)
