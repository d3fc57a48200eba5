"""Which types, which regions, how many GPUs of a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from sophia_infra.model.catalogue import CATALOGUE, REGIONS, parse_instance_type
from sophia_infra.model.errors import Refused, did_you_mean
from sophia_policies.machines import is_instance, machine_of, machines_of
from sophia_policies.plain import Resource, is_unknown, text_of
from sophia_policies.rule import Finding, ResourceRule, Setting, Situation, StackRule, cannot_tell, violation

__all__ = ["RULES"]

_TEXTS = {"type": "array", "items": {"type": "string"}}


def _check_types(resource: Resource, situation: Situation) -> Iterator[Finding]:
    allowed = [_api_name(text) for text in situation.settings["types"]]
    for number, (kind, _region) in enumerate(machine_of(resource).choices):
        where = "" if number == 0 else f"fallback {number}: "
        if is_unknown(kind):
            yield cannot_tell(f"{where}the instance type is not known")
        elif text_of(kind) not in CATALOGUE:
            yield violation(
                f"{where}{kind!r} is not an instance type{did_you_mean(text_of(kind), CATALOGUE)}"
            )
        elif allowed and not any(fnmatchcase(text_of(kind), pattern) for pattern in allowed):
            yield violation(f"{where}{kind} is not allowed here; allowed: {', '.join(allowed)}")


def _check_regions(resource: Resource, situation: Situation) -> Iterator[Finding]:
    allowed = situation.settings["regions"]
    for number, (_kind, region) in enumerate(machine_of(resource).choices):
        where = "" if number == 0 else f"fallback {number}: "
        if is_unknown(region):
            yield cannot_tell(f"{where}the region is not known")
        elif text_of(region) not in REGIONS:
            yield violation(f"{where}{region!r} is not a region{did_you_mean(text_of(region), REGIONS)}")
        elif allowed and not any(fnmatchcase(text_of(region), pattern) for pattern in allowed):
            yield violation(f"{where}{region} is not allowed here; allowed: {', '.join(allowed)}")


def _check_gpu_count(resources: Sequence[Resource], situation: Situation) -> Iterator[Finding]:
    limits = situation.settings["limits"]
    count: Counter[str] = Counter()
    for machine in machines_of(resources):
        if is_unknown(machine.type):
            if limits:
                yield cannot_tell(
                    f"the GPU model of {machine.name} is not known; it is not counted", machine.resource
                )
        elif machine.row and machine.row.gpu_model:
            count[machine.row.gpu_model] += machine.row.gpu_count
    for model, limit in limits.items():
        if count[model] > limit:
            yield violation(f"{count[model]} GPUs of model {model}, and {limit} are allowed")


def _api_name(text: str) -> str:
    """`1xGH200` and `gpu_1x_gh200` alike; a pattern (`gpu_1x_*`) stays as it is."""
    try:
        return parse_instance_type(text)
    except Refused:
        return text


RULES: Iterable[ResourceRule | StackRule] = (
    ResourceRule(
        name="allowed-instance-types",
        level="mandatory",
        summary="Machines, and their fallbacks, are of the types allowed for the stack.",
        reason="Another type costs and behaves differently, and a wrong one is a machine that costs money.",
        fix="Use an allowed type, or extend `types` in `policies/config/<stack>.json`.",
        settings={
            "types": Setting(
                _TEXTS, [], "`1xGH200`, `gpu_1x_gh200` or a pattern `gpu_1x_*`; empty: the whole catalogue"
            )
        },
        applies=is_instance,
        check=_check_types,
    ),
    ResourceRule(
        name="allowed-regions",
        level="mandatory",
        summary="Machines, and their fallbacks, are in the regions allowed for the stack.",
        reason="Filesystems and firewall rulesets do not leave their region, and laws bind some "
        "data to theirs.",
        fix="Use an allowed region, or extend `regions` in `policies/config/<stack>.json`.",
        settings={"regions": Setting(_TEXTS, [], "codes or patterns (`us-*`); empty: all regions of Lambda")},
        applies=is_instance,
        check=_check_regions,
    ),
    StackRule(
        name="gpu-count-per-model",
        level="mandatory",
        summary="The stack has no more GPUs of one model than allowed.",
        reason="A count is easier to agree on than dollars, and it holds when prices change.",
        fix="Take machines out, or raise `limits` in `policies/config/<stack>.json`.",
        settings={
            "limits": Setting(
                {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
                {},
                'GPU model to count, for example `{"H100": 8}`; empty: no limit',
            )
        },
        check=_check_gpu_count,
    ),
)
