"""The life of a fleet on the real engine: made, left alone, changed, replaced, lost, destroyed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sophia_infra.engine.errors import UpdateFailed
from sophia_infra.engine.events import Diagnostic, Event
from tests.engine.project import A10, A6000, Project

pytestmark = pytest.mark.engine

both_providers = pytest.mark.parametrize("project", ["dynamic", "native"], indirect=True)
"""For what the two adapters carry differently; what the kinds decide is asked once."""


@both_providers
def test_the_plan_comes_up_settles_and_leaves_nothing_behind(project: Project) -> None:
    """One long life instead of five short ones: each engine command costs two seconds of processor time."""
    project.write(
        {
            "sophia-ai-core": {
                "type": "1xGH200",
                "region": "us-east-3",
                "purpose": "core",
                "filesystems": ["sophia-models"],
                "firewalls": ["sophia-web"],
            },
            "sophia-mcp-orchestrator": A6000,
            "sophia-data-pipeline": {"type": "gpu_1x_a100", "region": "us-south-1", "purpose": "data"},
            "sophia-production": {"type": "1xRTX6000", "region": "us-south-1", "purpose": "backend"},
            "sophia-development": A10,
        },
        filesystems={"sophia-models": {"region": "us-east-3", "protect": False}},
        firewalls={
            "sophia-web": {
                "region": "us-east-3",
                "rules": [{"protocol": "tcp", "ports": "22", "source": "203.0.113.0/24"}],
            }
        },
    )

    assert project.up().changes["create"] >= 8
    outputs = project.outputs()
    assert {row["status"] for row in outputs["machines"].values()} == {"active"}
    assert all(row["ip"] for row in outputs["machines"].values())
    assert outputs["architectures"]["sophia-ai-core"] == "arm64"
    assert (outputs["usd_per_hour"], outputs["usd_per_month"]) == ("7.35", "5292.00")
    assert Decimal(project.usd_per_hour()) == Decimal("7.35")

    project.up(expect_no_changes=True)
    project.refresh(expect_no_changes=True)
    assert project.launches() == 5

    project.destroy()
    assert project.live() == {}
    assert Decimal(project.usd_per_hour()) == 0
    dump = project.cloud.dump()
    assert (dump["ssh_keys"], dump["filesystems"], dump["firewall_rulesets"]) == ([], [], [])


def test_a_new_name_changes_the_machine_in_place(project: Project) -> None:
    project.write({"a": A10})
    project.up()
    (machine_id,) = project.live()

    project.write({"a": {**A10, "name": "renamed"}})
    changes = project.up().changes

    assert changes.get("update") == 1
    assert project.live() == {machine_id: "renamed"}
    project.up(expect_no_changes=True)


@both_providers
def test_tags_wait_for_the_next_launch_and_say_so(project: Project) -> None:
    project.write({"a": A10})
    project.up()
    before = project.live()

    project.write({"a": {**A10, "tags": {"team": "research"}}})
    events: list[Event] = []
    project.run("up", events=events)

    said = " ".join(event.message for event in events if isinstance(event, Diagnostic))
    assert "tags changed; this takes effect at the next launch" in said
    assert project.live() == before
    project.up(expect_no_changes=True)


@both_providers
@pytest.mark.parametrize("order", ["launch_first", "terminate_first"])
def test_another_type_replaces_the_machine_in_the_chosen_order(project: Project, order: str) -> None:
    spec = {**A10, "replace_order": order}
    project.write({"a": spec})
    project.up()
    (old_id,) = project.live()

    project.write({"a": {**spec, "type": "1xA6000"}})
    project.up()

    (new_id,) = project.live()
    assert new_id != old_id
    assert project.ids_in_state() == {"a": new_id}
    rows = {row["id"]: row for row in project.cloud.dump()["instances"]}
    overlapped = rows[new_id]["launched_at_s"] < rows[old_id]["ended_at_s"]
    assert overlapped == (order == "launch_first")
    project.up(expect_no_changes=True)


def test_a_raised_generation_gets_a_new_machine(project: Project) -> None:
    project.write({"a": A10})
    project.up()
    (old_id,) = project.live()

    project.write({"a": {**A10, "generation": 2}})
    project.up()

    assert list(project.live()) != [old_id]
    assert len(project.live()) == 1


@both_providers
def test_the_engine_s_own_replace_flag_never_loses_the_machine(project: Project) -> None:
    """`--replace` reaches the provider without a diff: it must not end what it has just handed out again."""
    project.write({"a": A10})
    project.up()
    before = project.live()
    urn = next(row["urn"] for row in project.state()["resources"] if row["urn"].endswith("::a"))

    project.up(replace=[urn])

    assert project.live() == before
    assert list(project.ids_in_state().values()) == list(before)
    project.up(expect_no_changes=True)


@pytest.mark.parametrize("status", ["terminated", "preempted"])
def test_a_machine_ended_outside_is_noticed_and_made_again(project: Project, status: str) -> None:
    project.write({"a": A10, "b": A6000})
    project.up()
    lost_id = project.ids_in_state()["a"]
    project.cloud.instances.set_status(lost_id, status)

    project.up(refresh=True)

    assert sorted(project.live().values()) == ["a", "b"]
    assert project.ids_in_state()["a"] != lost_id
    assert project.outputs()["machines"]["a"]["status"] == "active"


def test_the_five_of_production_are_adopted_and_never_launched(project: Project) -> None:
    types = {
        "sophia-ai-core": ("gpu_1x_gh200", "us-east-3"),
        "sophia-mcp-orchestrator": ("gpu_1x_a6000", "us-south-1"),
        "sophia-data-pipeline": ("gpu_1x_a100", "us-south-1"),
        "sophia-production": ("gpu_1x_rtx6000", "us-south-1"),
        "sophia-development": ("gpu_1x_a10", "us-west-1"),
    }
    there_before = {name: project.launch_by_hand(name, *where) for name, where in types.items()}

    project.write(
        {
            name: {"type": kind, "region": region, "purpose": "adopted", "adopt": {"name": name}}
            for name, (kind, region) in types.items()
        }
    )
    project.up()

    assert project.ids_in_state() == there_before
    assert project.launches() == 5
    rows = [row for row in project.state()["resources"] if row.get("id") in there_before.values()]
    assert [row.get("protect") for row in rows] == [True] * 5
    project.up(expect_no_changes=True)
    with pytest.raises(UpdateFailed, match="protected"):
        project.destroy()
    assert sorted(project.live().values()) == sorted(types)


def test_phases_are_cumulative_and_remembered(project: Project) -> None:
    project.write({"a": A10, "b": {**A6000, "phase": 2}})
    project.up()
    assert sorted(project.live().values()) == ["a"]

    project.run("up", phase=2)
    assert sorted(project.live().values()) == ["a", "b"]
    assert project.outputs()["phase"] == 2

    project.up()
    assert sorted(project.live().values()) == ["a", "b"]


@both_providers
def test_no_capacity_is_a_sentence_and_launches_nothing(project: Project) -> None:
    project.cloud.set_capacity("gpu_1x_a10", "us-west-1", 0)
    project.write({"a": A10})

    with pytest.raises(UpdateFailed) as failure:
        project.up()

    said = " ".join(item.message for item in failure.value.diagnostics)
    assert "no capacity for gpu_1x_a10 in us-west-1" in said
    assert "Next:" in said
    assert "Traceback" not in said
    assert project.launches() == 0


def test_a_wrong_stack_file_sends_nothing(project: Project) -> None:
    project.write({"a": {**A10, "type": "1xRTX4090"}})

    with pytest.raises(UpdateFailed) as failure:
        project.up()

    said = " ".join(item.message for item in failure.value.diagnostics)
    assert "sophia:fleet.a.type" in said
    assert "Traceback" not in said
    assert project.cloud.requests.since(0) == []


def test_state_holds_no_key_and_pickles_by_reference(project: Project) -> None:
    project.write({"a": A10})
    project.up()
    text = (project.home.state / ".pulumi/stacks/sophia-infra/local.json").read_text(encoding="utf-8")
    assert "a-key-for-the-emulator" not in text
    for row in project.state()["resources"]:
        assert len(row.get("inputs", {}).get("__provider", "")) < 300
