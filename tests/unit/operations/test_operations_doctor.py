"""Each difference between state and account is named once, with its kind, its cost and its exact fix."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from sophia_infra.components.fleet_props import instance_props, ssh_key_name
from sophia_infra.model.scaled_tags import SCALER_TAG, ScaledName
from sophia_infra.model.stack_config import parse_stack_config
from sophia_infra.operations.doctor import Finding, FindingKind, examine, ids_in_state
from sophia_infra.operations.wanted_launches import wanted_launches
from sophia_infra.provider.instance_spec import InstanceSpec
from sophia_infra.provider.journal import Intent
from sophia_infra.provider.tags import NAME_TAG, STACK_TAG
from tests.unit.operations.machines import (
    NOW_S,
    STACK,
    deployment,
    entry,
    instance_id,
    launched,
    machine,
    props,
)

TERMINATE_1 = f"sophia doctor --stack test --terminate {instance_id(1)}"


def key(spec: dict[str, Any]) -> str:
    return str(InstanceSpec.of(spec).launch_key)


def the_one(findings: list[Finding]) -> Finding:
    [finding] = findings
    return finding


def test_a_state_that_fits_the_account_has_no_findings() -> None:
    state = deployment(entry("core", 1))
    assert examine(STACK, state, [launched(1, props()), machine(2)], [Intent(key(props()), 0.0)], NOW_S) == []


def test_an_empty_account_and_an_empty_state_have_no_findings() -> None:
    assert examine(STACK, {}, [], [], NOW_S) == []
    assert examine(STACK, {"resources": None, "pending_operations": None}, [], [], NOW_S) == []


@pytest.mark.parametrize("known_from", ["wanted", "pending create", "journal"])
def test_a_launch_whose_run_was_killed_is_taken_over_by_the_next_update(known_from: str) -> None:
    finding = the_one(
        examine(
            STACK,
            deployment(creating=(props(),) if known_from == "pending create" else ()),
            [launched(1, props())],
            [Intent(key(props()), NOW_S)] if known_from == "journal" else [],
            NOW_S,
            wanted={key(props())} if known_from == "wanted" else None,
        )
    )
    assert (finding.kind, finding.name, finding.instance_id) == (FindingKind.TO_ADOPT, "core", instance_id(1))
    assert finding.fix == "sophia up --stack test"
    assert finding.usd_per_hour == Decimal("1.29")
    assert finding.usd_so_far == Decimal("1.29")


def test_what_was_begun_but_is_no_longer_wanted_is_an_orphan() -> None:
    """A killed launch whose instance was then removed, or changed, in the file: no update takes it over."""
    finding = the_one(
        examine(
            STACK,
            deployment(creating=(props(),)),
            [launched(1, props())],
            [Intent(key(props()), NOW_S)],
            NOW_S,
            wanted={key(props(region="us-west-1"))},
        )
    )
    assert (finding.kind, finding.fix) == (FindingKind.ORPHAN, TERMINATE_1)


def test_a_machine_with_our_tag_that_nobody_knows_is_an_orphan_with_what_it_has_cost() -> None:
    finding = the_one(examine(STACK, deployment(), [launched(1, props(), ago_s=90 * 60 + 1)], [], NOW_S))
    assert (finding.kind, finding.fix) == (FindingKind.ORPHAN, TERMINATE_1)
    assert finding.usd_so_far == Decimal("1.96"), "91 started minutes at $1.29/h"


def test_a_second_machine_of_one_launch_is_a_duplicate_and_the_recorded_one_stays() -> None:
    state = deployment(entry("core", 2))
    finding = the_one(
        examine(
            STACK,
            state,
            [launched(1, props()), launched(2, props())],
            [],
            NOW_S,
            wanted={key(props())},
        )
    )
    assert (finding.kind, finding.instance_id, finding.fix) == (
        FindingKind.DUPLICATE,
        instance_id(1),
        TERMINATE_1,
    )


@pytest.mark.parametrize("status", ["terminating", "terminated", "preempted", None])
def test_a_recorded_machine_that_no_longer_runs_is_gone(status: str | None) -> None:
    rows = [] if status is None else [launched(1, props(), status=status)]
    finding = the_one(examine(STACK, deployment(entry("core", 1)), rows, [], NOW_S))
    assert (finding.kind, finding.fix) == (FindingKind.GONE, "sophia up --stack test --refresh")
    assert finding.usd_per_hour == 0


def test_a_replaced_machine_that_still_runs_is_to_be_terminated() -> None:
    state = deployment(entry("core", 2), entry("core", 1, delete=True))
    rows = [launched(1, props()), launched(2, props(generation=2))]
    finding = the_one(examine(STACK, state, rows, [], NOW_S, wanted={key(props(generation=2))}))
    assert (finding.kind, finding.instance_id) == (FindingKind.TO_DELETE, instance_id(1))
    assert finding.fix == f"sophia up --stack test; where that is refused: {TERMINATE_1}"


def test_a_replaced_machine_that_has_ended_is_no_finding() -> None:
    state = deployment(entry("core", 2), entry("core", 1, delete=True))
    assert examine(STACK, state, [launched(2, props())], [], NOW_S) == []


def test_a_machine_twice_in_the_state_is_a_leftover_entry_and_nothing_is_to_be_terminated() -> None:
    state = deployment(entry("core", 1), entry("core", 1, delete=True))
    finding = the_one(examine(STACK, state, [launched(1, props())], [], NOW_S))
    assert finding.kind is FindingKind.LEFTOVER
    assert "pulumi stack import" in finding.fix
    assert finding.usd_per_hour == 0


def test_only_what_the_state_holds_as_current_is_safe_from_the_doctor() -> None:
    state = deployment(
        entry("core", 2), entry("core", 1, delete=True), entry("a", 3), entry("a", 3, delete=True)
    )
    assert ids_in_state(state) == {instance_id(2), instance_id(3)}


def test_machines_of_other_stacks_and_without_tags_are_nobodys_business() -> None:
    rows = [machine(1), launched(2, props(stack="sophia-infra/other")), machine(3, {"team": "x"})]
    assert examine(STACK, deployment(), rows, [], NOW_S) == []


def test_stray_machines_that_have_ended_are_no_finding() -> None:
    rows = [
        launched(number, props(), status=status)
        for number, status in enumerate(("terminating", "terminated"))
    ]
    assert examine(STACK, deployment(), rows, [], NOW_S) == []


def test_a_machine_with_our_stack_tag_and_no_other_is_an_orphan_of_unknown_cost() -> None:
    finding = the_one(examine(STACK, deployment(), [machine(1, {"sophia-stack": STACK})], [], NOW_S))
    assert (finding.kind, finding.name, finding.usd_so_far) == (FindingKind.ORPHAN, "?", None)


def test_the_dearest_comes_first() -> None:
    dear = {
        "price_cents_per_hour": 3192,
        "name": "gpu_8x_h100_sxm5",
        "description": "",
        "gpu_description": "",
    }
    specs = {"vcpus": 1, "memory_gib": 1, "storage_gib": 1, "gpus": 8}
    rows = [launched(1, props("a")), launched(2, props("b"), instance_type={**dear, "specs": specs})]
    assert [finding.name for finding in examine(STACK, deployment(), rows, [], NOW_S)] == ["b", "a"]


def test_pending_operations_of_an_unknown_form_are_no_reason_to_fail() -> None:
    state: dict[str, Any] = {
        "resources": [],
        "pending_operations": [
            {"type": "creating"},
            {"type": "creating", "resource": {"type": entry("a", 1)["type"]}},
            {"type": "creating", "resource": {"type": entry("a", 1)["type"], "inputs": {"stack": STACK}}},
            {"type": "deleting", "resource": {"type": entry("a", 1)["type"], "inputs": props()}},
        ],
    }
    finding = the_one(examine(STACK, state, [launched(1, props())], [], NOW_S))
    assert finding.kind is FindingKind.ORPHAN


def test_a_finding_is_plain_json_with_money_as_text() -> None:
    finding = the_one(examine(STACK, deployment(), [launched(1, props())], [], NOW_S))
    assert json.loads(json.dumps(finding.as_json())) == {
        "kind": "orphan",
        "name": "core",
        "id": instance_id(1),
        "detail": "it carries this stack's tag and is in no state",
        "fix": TERMINATE_1,
        "usd_per_hour": "1.29",
        "usd_so_far": "1.29",
    }


PUBLIC_KEY = "ssh-ed25519 " + "AAAAC3NzaC1lZDI1NTE5AAAAI" + "B" * 43 + " someone@example"


@pytest.mark.parametrize("ssh", [{"public_key": PUBLIC_KEY}, {"existing": "key"}])
def test_the_launches_of_a_file_are_those_that_its_program_asks_for(ssh: dict[str, str]) -> None:
    """Compared with the properties that the component itself builds."""
    config = parse_stack_config(
        {
            "sophia:endpoint": "emulator",
            "sophia:budget": {"limit": "$200/day"},
            "sophia:ssh": ssh,
            "sophia:filesystems": {"models": {"region": "us-east-3"}},
            "sophia:fleet": {
                "core": {
                    "type": "1xGH200",
                    "region": "us-east-3",
                    "purpose": "test",
                    "filesystems": ["models"],
                },
                "taken": {"type": "1xA10", "region": "us-west-1", "purpose": "x", "adopt": {"name": "taken"}},
            },
        },
        "Pulumi.test.yaml",
    )
    instances = config.instances()
    made = instance_props(
        "core",
        instances["core"],
        stack=STACK,
        ssh_key_name=ssh.get("existing") or ssh_key_name(STACK, PUBLIC_KEY),
        filesystem_names=["models"],
        firewall_ruleset_ids=["f" * 32],
    )
    assert wanted_launches(STACK, config.ssh, instances) == {key(made)}


def test_machines_of_the_node_scaler_are_in_no_state_on_purpose() -> None:
    scaled = ScaledName("burst", 1, int(NOW_S) - 3600)
    tags = {STACK_TAG: STACK, NAME_TAG: scaled.name, SCALER_TAG: scaled.value}
    assert examine(STACK, deployment(), [machine(1, tags)], [], NOW_S) == []
