"""What `adopt --all` says beforehand: found, missing, ambiguous, unknown; by the rules of the provider."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest

from sophia_infra.backup.adoption import Account, AdoptionRow, plan_adoption
from sophia_infra.components.fleet_props import firewall_props, instance_props, ssh_key_name
from sophia_infra.emulator import Cloud, CloudSettings, EmulatorServer
from sophia_infra.lambda_cloud import Instance, LambdaCloud, LaunchRequest, Pacer
from sophia_infra.model.clock import VirtualClock
from sophia_infra.model.scaled_tags import SCALER_TAG, ScaledName
from sophia_infra.model.stack_config import parse_stack_config
from sophia_infra.provider.instance_spec import InstanceSpec
from tests.unit.model.model_stacks import PUBLIC_KEY, right_stack

STACK = "sophia-infra/test"
CONFIG = parse_stack_config(right_stack(), "x")
KEY_NAME = ssh_key_name(STACK, PUBLIC_KEY)
EMPTY = Account(instances=())


def plan(account: Account) -> dict[tuple[str, str], AdoptionRow]:
    return {(row.kind, row.name): row for row in plan_adoption(CONFIG, 1, STACK, account)}


def standings(account: Account) -> dict[str, str]:
    return {name: row.standing for (kind, name), row in plan(account).items() if kind == "instance"}


def filled_account() -> Account:
    """An account in which a stack ran, as the API lists it."""
    clock = VirtualClock()
    with (
        EmulatorServer(Cloud(CloudSettings(), clock)) as server,
        LambdaCloud(server.url, "any", clock=clock, pacer=Pacer(None, "test", clock, 0.0, 0.0)) as client,
    ):
        client.add_ssh_key(KEY_NAME, PUBLIC_KEY)
        for name, row in CONFIG.filesystems.items():
            client.create_filesystem(name, row.region)
        for label, firewall in CONFIG.firewalls.items():
            client.create_firewall_ruleset(
                str(firewall_props(label, firewall, STACK)["name"]), firewall.region, []
            )
        props = instance_props(
            "core",
            CONFIG.fleet["core"],
            stack=STACK,
            ssh_key_name=KEY_NAME,
            filesystem_names=(),
            firewall_ruleset_ids=(),
        )
        spec = InstanceSpec.of(props)
        client.launch_instance(spec.launch_request(spec.candidates[0], clock.now()))
        client.launch_instance(
            LaunchRequest(
                region_name="us-west-1",
                instance_type_name="gpu_1x_a10",
                ssh_key_names=(KEY_NAME,),
                name="taken",
            )
        )
        return Account(
            client.list_instances(),
            client.list_filesystems(),
            client.list_ssh_keys(),
            client.list_firewall_rulesets(),
        )


@pytest.fixture(scope="module")
def full() -> Account:
    return filled_account()


@pytest.fixture
def core(full: Account) -> Instance:
    return next(machine for machine in full.instances if machine.name == "core")


def of(*machines: Instance) -> Account:
    """An account with these machines and nothing else."""
    return Account(instances=machines)


def test_everything_that_ran_is_found_with_its_dollars(full: Account, core: Instance) -> None:
    rows = plan(full)
    assert {row.standing for row in rows.values()} == {"found"}
    assert len(rows) == 1 + 2 + 2 + 2
    assert rows["instance", "core"].ids == (core.id,)
    assert rows["instance", "core"].usd_per_hour == Decimal("2.29")


def test_in_an_empty_account_what_costs_money_is_missing_and_the_rest_is_free_to_make() -> None:
    assert {row.kind: row.standing for row in plan(EMPTY).values()} == {
        "ssh key": "free to make",
        "firewall ruleset": "free to make",
        "filesystem": "missing",
        "instance": "missing",
    }


def test_a_machine_that_ended_is_missing(core: Instance) -> None:
    ended = dataclasses.replace(core, status="terminated")
    assert standings(of(ended))["core"] == "missing"


def test_two_machines_of_one_launch_are_not_chosen_between(core: Instance) -> None:
    twin = dataclasses.replace(core, id="f" * 32)
    row = plan(of(core, twin))["instance", "core"]
    assert (row.standing, row.ids, row.is_whole) == ("several", (core.id, twin.id), False)


def test_a_machine_of_another_spec_is_shown_with_what_it_costs(core: Instance) -> None:
    other = dataclasses.replace(core, tags={**core.tags, "sophia-launch": "g2-0123456789abcdef"})
    row = plan(of(other))["instance", "core"]
    assert (row.standing, row.usd_per_hour) == ("another spec", core.instance_type.usd_per_hour)


def test_a_machine_that_no_line_asks_for_is_named_and_one_of_the_scaler_is_not(core: Instance) -> None:
    stray = dataclasses.replace(core, id="a" * 32, name="stray", tags={**core.tags, "sophia-name": "stray"})
    name = ScaledName("gpu", 1, 5)
    tags = {**stray.tags, SCALER_TAG: name.value, "sophia-name": name.name}
    scaled = dataclasses.replace(stray, id="b" * 32, name="scaled", tags=tags)
    rows = standings(of(core, stray, scaled))
    assert rows["stray"] == "unknown to the file"
    assert "scaled" not in rows
