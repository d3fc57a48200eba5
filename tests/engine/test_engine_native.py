"""What only the native provider can do, and the way of a stack from one provider to the other and back."""

from __future__ import annotations

import subprocess
import threading

import pytest

from sophia_infra.engine.cancellation import Cancellation
from sophia_infra.engine.errors import UpdateCancelled, UpdateFailed
from sophia_infra.engine.events import Diagnostic, Event, ResourcePlanned
from sophia_infra.engine.home import engine_environment
from tests.chaos.victims import release, wait_until
from tests.engine.project import A10, A6000, PUBLIC_KEY, STACK, Project

pytestmark = pytest.mark.engine

IMPORTING = """\
import pulumi
from sophia_infra.provider.resources import Instance

STACK = "sophia-infra/local"
where = {"stack": STACK, "region": "us-west-1"}
machine = {**where, "logical_name": "a", "name": "by-hand", "instance_type": "gpu_1x_a10",
           "adopt": {"id": %r}}
Instance("a", machine, pulumi.ResourceOptions(import_=%r))
"""


@pytest.fixture
def native(project: Project) -> Project:
    project.variables["SOPHIA_PROVIDER"] = "native"
    return project


def said(events: list[Event]) -> str:
    return " ".join(event.message for event in events if isinstance(event, Diagnostic))


def test_a_stack_moves_to_the_native_provider_and_back_without_a_launch(project: Project) -> None:
    project.write({"a": A10, "b": A6000})
    project.up()
    before = project.ids_in_state()

    for provider, prefix in (("native", "lambda:index:"), ("dynamic", "pulumi-python:dynamic/lambda:")):
        project.variables["SOPHIA_PROVIDER"] = provider
        planned: list[Event] = []
        project.run("preview", events=planned)
        steps = [event.step for event in planned if isinstance(event, ResourcePlanned)]
        assert {step.op for step in steps if not step.is_bookkeeping} <= {"same", "update"}
        project.up()
        ours = {
            row["urn"].rpartition("::")[2]: row
            for row in project.state()["resources"]
            if row["urn"].endswith(("::a", "::b", "::ssh-key", "::fleet-ready"))
        }
        assert all(row["type"].startswith(prefix) for row in ours.values())
        assert {"__provider" in row["outputs"] for row in ours.values()} == {provider == "dynamic"}
        assert project.ids_in_state() == before
        project.up(expect_no_changes=True)
    assert project.launches() == 2
    project.destroy()
    assert project.live() == {}


def test_a_machine_made_by_hand_is_imported_as_it_is(native: Project) -> None:
    machine_id = native.launch_by_hand("by-hand", "gpu_1x_a10", "us-west-1")
    native.write({})
    (native.root / "__main__.py").write_text(IMPORTING % (machine_id, machine_id), encoding="utf-8")

    assert native.up().changes.get("import") == 1

    assert native.ids_in_state() == {"a": machine_id}
    native.refresh(expect_no_changes=True)
    native.up(expect_no_changes=True)
    assert native.launches() == 1


def test_the_import_command_writes_what_the_machine_is(native: Project) -> None:
    machine_id = native.launch_by_hand("by-hand", "gpu_1x_a10", "us-west-1")
    native.write({})
    (native.root / "__main__.py").write_text(
        "from sophia_infra.provider.resources import SshKey\n"
        f"SshKey('key', {{'name': 'key', 'public_key': {PUBLIC_KEY!r}}})\n",
        encoding="utf-8",
    )
    native.up()
    plugin = next(
        row["urn"] for row in native.state()["resources"] if row["type"] == "pulumi:providers:lambda"
    )
    environment = engine_environment(
        STACK,
        native.home,
        engine_directory=native.engine.directory,
        ambient_plugins=native.engine.ambient_plugins,
    )
    command = [str(native.engine.pulumi), "import", "lambda:index:Instance", "a", machine_id, "--yes"]
    command += ["--stack", STACK, "--provider", f"lambda={plugin}", "--generate-code=false", "--skip-preview"]
    done = subprocess.run(
        [*command, "--non-interactive"],
        cwd=native.root,
        env={**environment, **native.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    row = next(row for row in native.state()["resources"] if row["urn"].endswith("::a"))
    assert row["inputs"] == {
        "stack": "sophia-infra/local",
        "logical_name": "a",
        "name": "by-hand",
        "instance_type": "gpu_1x_a10",
        "region": "us-west-1",
        "ssh_key_name": "by-hand",
        "generation": 1,
        "adopt": {"id": machine_id},
    }
    assert row["protect"] is True


def test_a_plan_names_each_changed_place_and_which_of_them_replace(native: Project) -> None:
    native.write({"a": {**A10, "tags": {"team": "one", "room": "2"}}})
    native.up()
    native.write({"a": {**A10, "type": "1xA6000", "name": "renamed", "tags": {"team": "two", "room": "2"}}})

    events: list[Event] = []
    native.run("preview", events=events)

    steps = [event.step for event in events if isinstance(event, ResourcePlanned) and event.step.name == "a"]
    merged = {place: kind for step in steps for place, kind in step.detailed_diff.items()}
    assert merged == {"instance_type": "update-replace", "name": "update", "tags.team": "update"}
    assert native.launches() == 1


def test_a_machine_whose_create_fails_half_way_is_in_the_state(native: Project) -> None:
    machine_id = native.launch_by_hand("by-hand", "gpu_1x_a10", "us-west-1")
    native.write({"a": {**A10, "adopt": {"id": machine_id}, "name": "renamed"}})
    native.cloud.faults.add("postInstance", "before", "status", status=400, code="global/invalid-parameters")

    with pytest.raises(UpdateFailed):
        native.up()

    row = next(row for row in native.state()["resources"] if row["urn"].endswith("::a"))
    assert (row["id"], row["outputs"]["name"]) == (machine_id, "by-hand")
    assert len(row["initErrors"]) == 1
    native.up()
    assert native.live() == {machine_id: "renamed"}
    native.up(expect_no_changes=True)


def test_a_stopped_update_records_every_launch_and_sends_no_further_one(native: Project) -> None:
    native.write({f"node-{number}": A10 for number in range(6)})
    rule = native.cloud.faults.add("launchInstance", "after", "hold")
    cancellation = Cancellation()
    events: list[Event] = []

    def stop() -> None:
        wait_until(lambda: rule.holding > 0)
        cancellation.request()
        wait_until(lambda: "no further machine is launched" in said(events))
        release(native, rule)

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises((UpdateCancelled, UpdateFailed)):
        native.run("up", cancellation=cancellation, events=events)
    stopper.join()

    assert native.launches() == 1
    assert list(native.ids_in_state().values()) == list(native.live())
    assert "Stopped on request before the launch was sent" in said(events)
    native.up()
    assert (native.launches(), native.doubles()) == (6, 0)
