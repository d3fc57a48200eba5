"""What a run prints while it goes on, without a terminal: machines by name, Kubernetes objects by number."""

from __future__ import annotations

from rich.console import Console

from sophia_infra.cli.progress import UpdateProgress
from sophia_infra.engine.events import ResourceDone, ResourceFailed, ResourceStarted, Step

MACHINE = "pulumi-python:dynamic/lambda:Instance"
OBJECT = "kubernetes:core/v1:ConfigMap"


def step(name: str, kind: str, op: str = "create") -> Step:
    urn = f"urn:pulumi:local::sophia-infra::{kind}::{name}"
    return Step(op=op, urn=urn, type=kind, provider="", old=None, new=None)


def run(*events: ResourceStarted | ResourceDone | ResourceFailed) -> str:
    console = Console(width=200)
    with console.capture() as captured, UpdateProgress(console, "up") as progress:
        for event in events:
            progress.on_event(event)
    return captured.get()


def done(one: Step) -> tuple[ResourceStarted, ResourceDone]:
    return ResourceStarted(one), ResourceDone(one)


def test_a_machine_has_a_line_of_its_own() -> None:
    assert "created Instance ai-core" in run(*done(step("ai-core", MACHINE)))


def test_objects_are_counted_every_fifty_and_at_the_end() -> None:
    events = [event for number in range(60) for event in done(step(f"map-{number}", OBJECT))]
    said = run(*events)
    assert "map-1" not in said
    lines = [line.strip() for line in said.splitlines() if "Kubernetes" in line]
    assert lines == ["Kubernetes: 50 objects created", "Kubernetes: 60 objects created"]


def test_kinds_of_change_are_counted_apart() -> None:
    said = run(
        *done(step("a", OBJECT)), *done(step("b", OBJECT, "update")), *done(step("c", OBJECT, "update"))
    )
    assert "Kubernetes: 1 objects created, 2 objects updated" in said


def test_an_object_that_failed_is_named() -> None:
    one = step("refused", OBJECT)
    assert "create FAILED ConfigMap refused" in run(ResourceStarted(one), ResourceFailed(one))


def test_components_are_not_shown() -> None:
    assert "web" not in run(*done(step("web", "sophia:kubernetes:Workload")))
