"""Steps of the engine as tests need them, and the recorded files of the real one. Not a test itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sophia_infra.cost import MachineTerms, Plan, Prices, StackTerms
from sophia_infra.cost.changes import plan_of_steps
from sophia_infra.engine.events import ResourceState, Step
from sophia_infra.model.price_book import PriceBook

RECORDED = Path(__file__).parent / "recorded"
"""Written by Pulumi 3.259.0 with this project's program against the emulator; debug messages, source
positions and pickled providers taken out."""

INSTANCE = "pulumi-python:dynamic/lambda:Instance"
PROVIDER = "urn:pulumi:local::sophia-infra::pulumi:providers:pulumi-python::default::0"

PLAN_FLEET = {
    "sophia-ai-core": ("gpu_1x_gh200", "us-east-3"),
    "sophia-mcp-orchestrator": ("gpu_1x_a6000", "us-south-1"),
    "sophia-data-pipeline": ("gpu_1x_a100", "us-south-1"),
    "sophia-production": ("gpu_1x_rtx6000", "us-south-1"),
    "sophia-development": ("gpu_1x_a10", "us-west-1"),
}

DATED = Prices((PriceBook.fallback(),))
OF_THE_PLAN = Prices((PriceBook.plan(),))


def recorded(name: str) -> str:
    return (RECORDED / name).read_text(encoding="utf-8")


def urn_of(name: str, kind: str = INSTANCE) -> str:
    return f"urn:pulumi:local::sophia-infra::sophia:lambda:Fleet${kind}::{name}"


def state_of(name: str, machine: tuple[str, str], machine_id: str = "", **further: Any) -> ResourceState:
    """A machine as a step carries it; with an id it runs, and the state knows what was launched."""
    inputs = {"logical_name": name, "instance_type": machine[0], "region": machine[1], **further}
    outputs: dict[str, Any] = {}
    if machine_id:
        outputs = {**inputs, "launched_type": machine[0], "launched_region": machine[1]}
    return ResourceState(machine_id, "", False, inputs, outputs)


def step(
    op: str,
    name: str,
    *,
    old: ResourceState | None = None,
    new: ResourceState | None = None,
    kind: str = INSTANCE,
) -> Step:
    return Step(op, urn_of(name, kind), kind, PROVIDER, old, new)


def create(name: str, instance_type: str = "gpu_1x_a10", region: str = "us-west-1", **further: Any) -> Step:
    return step("create", name, new=state_of(name, (instance_type, region), **further))


def keep(name: str, instance_type: str = "gpu_1x_a10", region: str = "us-west-1") -> Step:
    state = state_of(name, (instance_type, region), f"id-of-{name}")
    return step("same", name, old=state, new=state)


def delete(name: str, instance_type: str = "gpu_1x_a10", region: str = "us-west-1") -> Step:
    return step("delete", name, old=state_of(name, (instance_type, region), f"id-of-{name}"))


def replace(
    name: str, old: tuple[str, str], new: tuple[str, str], *, first: str = "launch", **further: Any
) -> list[Step]:
    """The three steps of a replacement, in the order of `launch_first` or `terminate_first`."""
    before, after = state_of(name, old, f"id-of-{name}"), state_of(name, new, **further)
    made = [
        step("create-replacement", name, old=before, new=after),
        step("replace", name, old=before, new=after),
    ]
    ended = [step("delete-replaced", name, old=before)]
    return [*made, *ended] if first == "launch" else [*ended, made[1], made[0]]


def plan_of(*steps: Step | list[Step]) -> Plan:
    flat: list[Step] = []
    for item in steps:
        flat += item if isinstance(item, list) else [item]
    return plan_of_steps(flat)


def fleet_of_the_plan(op: str = "create") -> list[Step]:
    """The five machines of the plan: created, kept or deleted."""
    make = {"create": create, "same": keep, "delete": delete}[op]
    return [make(name, *machine) for name, machine in PLAN_FLEET.items()]


def terms(phases: Mapping[str, int], **further: Any) -> StackTerms:
    return StackTerms(
        phase=3,
        machines={name: MachineTerms(phase, "launch_first") for name, phase in phases.items()},
        **further,
    )
