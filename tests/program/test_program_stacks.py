"""The two tracked stacks, registered whole: what the engine would be asked to make."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.provider.instance_spec import InstanceSpec
from tests.program.program_run import Run, fleet_config, run_program, small_config

FIVE = {
    "sophia-ai-core": ("gpu_1x_gh200", "us-east-3"),
    "sophia-mcp-orchestrator": ("gpu_1x_a6000", "us-south-1"),
    "sophia-data-pipeline": ("gpu_1x_a100", "us-south-1"),
    "sophia-production": ("gpu_1x_rtx6000", "us-south-1"),
    "sophia-development": ("gpu_1x_a10", "us-west-1"),
}
A10 = {"type": "1xA10", "region": "us-west-1", "purpose": "development"}
LAUNCH_ONLY = {
    "ssh_key_name",
    "image",
    "hostname",
    "user_data",
    "filesystems",
    "firewall_ruleset_ids",
    "tags",
    "fallbacks",
    "wait_for_capacity",
}
RunStack = Callable[..., Run]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> RunStack:
    """Run the program on a configuration."""

    def start(config: dict[str, Any], **options: Any) -> Run:
        return run_program(monkeypatch, config, **options)

    return start


def test_local_registers_the_five_and_what_they_need(run: RunStack) -> None:
    made = run(fleet_config("local"))
    assert made.kinds() == {
        "Fleet": 1,
        "SshKey": 1,
        "Filesystem": 2,
        "FirewallRuleset": 1,
        "Instance": 5,
        "FleetReady": 1,
    }
    machines = made.of_kind("Instance")
    assert {
        name: (row.inputs["instance_type"], row.inputs["region"]) for name, row in machines.items()
    } == FIVE
    assert made.errors == []


def test_everything_hangs_below_the_fleet_and_the_fleet_below_the_stack(run: RunStack) -> None:
    made = run(fleet_config("local"))
    assert made.resources["fleet"].parent == "sophia-infra-local"
    assert {row.parent for name, row in made.resources.items() if name != "fleet"} == {"fleet"}


def test_a_machine_depends_on_its_key_filesystems_and_rulesets(run: RunStack) -> None:
    machines = run(fleet_config("local")).of_kind("Instance")
    assert machines["sophia-ai-core"].depends_on == {"ssh-key", "sophia-models", "sophia-web"}
    assert machines["sophia-data-pipeline"].depends_on == {"ssh-key", "sophia-datasets"}
    assert machines["sophia-production"].depends_on == {"ssh-key"}


def test_a_machine_gets_the_ids_and_names_of_what_was_made(run: RunStack) -> None:
    core = run(fleet_config("local")).resources["sophia-ai-core"].inputs
    assert core == {
        "stack": "sophia-infra/local",
        "logical_name": "sophia-ai-core",
        "name": "sophia-ai-core",
        "instance_type": "gpu_1x_gh200",
        "region": "us-east-3",
        "generation": 1,
        "ssh_key_name": core["ssh_key_name"],
        "image": {"family": "lambda-stack-24-04"},
        "filesystems": ["sophia-models"],
        "firewall_ruleset_ids": ["id-of-sophia-web"],
    }
    assert core["ssh_key_name"].startswith("sophia-infra-local-")


def test_one_resource_waits_for_all_machines(run: RunStack) -> None:
    made = run(fleet_config("local"))
    ready = made.resources["fleet-ready"]
    assert ready.inputs["instances"] == {name: f"id-of-{name}" for name in FIVE}
    assert ready.inputs["timeout_minutes"] == dict.fromkeys(FIVE, 30.0)
    assert ready.inputs["probe_ssh"] is False
    assert ready.depends_on == set(FIVE)


def test_local_exports_addresses_architectures_and_dollars(run: RunStack) -> None:
    outputs = run(fleet_config("local")).outputs
    assert outputs == {
        "phase": 1,
        "machines": {
            name: {"id": f"id-of-{name}", "status": "active", "ip": "192.0.2.7", "private_ip": "10.0.0.7"}
            for name in FIVE
        },
        "architectures": {name: "arm64" if name == "sophia-ai-core" else "x86_64" for name in FIVE},
        "usd_per_hour": "7.35",
        "usd_per_month": "5292.00",
    }


def test_production_adopts_the_five_protected_and_makes_nothing_else(run: RunStack) -> None:
    made = run(fleet_config("production"), stack="production")
    assert made.kinds() == {"Fleet": 1, "Instance": 5, "FleetReady": 1}
    machines = made.of_kind("Instance")
    assert all(row.protect for row in machines.values())
    assert {name: row.inputs["adopt"] for name, row in machines.items()} == {
        name: {"name": name} for name in FIVE
    }
    assert made.resources["fleet-ready"].inputs["probe_ssh"] is True


def test_an_adopted_machine_carries_nothing_that_only_a_launch_could_set(run: RunStack) -> None:
    for row in run(fleet_config("production"), stack="production").of_kind("Instance").values():
        assert row.inputs.keys() & LAUNCH_ONLY == set()


def test_instances_read_their_properties_back(run: RunStack) -> None:
    """What the program writes is what the provider's reader understands."""
    for stack in ("local", "production"):
        for name, row in run(fleet_config(stack), stack=stack).of_kind("Instance").items():
            spec = InstanceSpec.of(row.inputs)
            assert (spec.owner.stack, spec.owner.name) == (f"sophia-infra/{stack}", name)
            assert (spec.candidates[0].instance_type, spec.candidates[0].region) == FIVE[name]


@pytest.mark.parametrize(("phase", "names"), [(1, {"a"}), (2, {"a", "b"}), (3, {"a", "b", "c"})])
def test_phases_are_cumulative(run: RunStack, phase: int, names: set[str]) -> None:
    fleet = {"a": A10, "b": {**A10, "phase": 2}, "c": {**A10, "phase": 3}}
    made = run(small_config(fleet, phase=phase))
    assert set(made.of_kind("Instance")) == names
    assert set(made.resources["fleet-ready"].inputs["instances"]) == names
    assert set(made.outputs["architectures"]) == names
    assert made.outputs["phase"] == phase


def test_the_order_of_a_replacement_is_the_file_s(run: RunStack) -> None:
    made = run(small_config({"a": A10, "b": {**A10, "replace_order": "terminate_first"}}))
    machines = made.of_kind("Instance")
    assert (machines["a"].delete_before_replace, machines["b"].delete_before_replace) == (False, True)


@pytest.mark.parametrize(
    ("extra", "protected"),
    [
        ({}, False),
        ({"protect": True}, True),
        ({"adopt": {"name": "a"}}, True),
        ({"adopt": {"name": "a"}, "protect": False}, False),
    ],
)
def test_what_is_adopted_is_protected_unless_the_file_says_otherwise(
    run: RunStack, extra: dict[str, Any], protected: bool
) -> None:
    assert run(small_config({"a": {**A10, **extra}})).resources["a"].protect is protected


def test_a_filesystem_is_protected_unless_the_file_says_otherwise(run: RunStack) -> None:
    filesystems = {"kept": {"region": "us-west-1"}, "free": {"region": "us-west-1", "protect": False}}
    made = run(small_config({}, filesystems=filesystems)).of_kind("Filesystem")
    assert (made["kept"].protect, made["free"].protect) == (True, False)
    assert made["kept"].inputs == {"stack": "sophia-infra/local", "name": "kept", "region": "us-west-1"}


def test_a_key_of_the_account_is_used_and_not_made(run: RunStack) -> None:
    made = run(small_config({"a": A10}, ssh={"existing": "office"}))
    assert made.of_kind("SshKey") == {}
    assert made.resources["a"].inputs["ssh_key_name"] == "office"


def test_an_inference_endpoint_is_described_without_its_key(
    run: RunStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOPHIA_INFERENCE_KEY", "a-key-for-inference")
    price = {"usd_per_million_input": "$0.08", "usd_per_million_output": "$0.30", "context_tokens": 131072}
    endpoint = {
        "base_url": "http://127.0.0.1:8000/v1",
        "api_key_env": "SOPHIA_INFERENCE_KEY",
        "prices": {"llama": price},
    }
    row = run(small_config({}, inference={"llm": endpoint})).resources["llm"]
    assert row.kind == "InferenceEndpoint"
    assert row.inputs == {
        "base_url": "http://127.0.0.1:8000/v1",
        "api_key_env": "SOPHIA_INFERENCE_KEY",
        "prices": {
            "llama": {
                "usd_per_million_input": "0.08",
                "usd_per_million_output": "0.30",
                "context_tokens": 131072,
            }
        },
    }


def test_no_key_of_any_kind_reaches_a_resource(run: RunStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMBDA_API_KEY", "secret_from_the_environment")
    config = fleet_config("local") | {"sophia:lambda_api_key": "secret_from_the_stack_file"}
    made = run(config)
    assert made.kinds()["Instance"] == 5
    text = json.dumps([[row.inputs, row.pickled_provider] for row in made.resources.values()])
    assert "secret_from" not in text
    assert "secret_from" not in json.dumps(made.outputs)


def test_providers_are_pickled_by_reference(run: RunStack) -> None:
    """A provider pickled by value would put our code into every state file, and freeze it there."""
    for row in run(fleet_config("local")).resources.values():
        assert (row.kind == "Fleet") == (row.pickled_provider == "")
        assert len(row.pickled_provider) < 300


def test_a_preview_shows_the_price_as_unknown_and_does_not_fail(run: RunStack) -> None:
    made = run(fleet_config("local"), preview=True)
    assert made.kinds()["Instance"] == 5
    assert {name for name, value in made.outputs.items() if value == "unknown"} == {
        "machines",
        "usd_per_hour",
        "usd_per_month",
    }


def test_warnings_are_logged_and_stop_nothing(run: RunStack) -> None:
    fleet = {"a": {**A10, "type": "1xA6000", "region": "us-south-1", "firewalls": ["web"]}}
    made = run(small_config(fleet, firewalls={"web": {"region": "us-south-1", "rules": []}}))
    assert made.kinds()["Instance"] == 1
    assert made.warnings == [
        "sophia:fleet.a.firewalls: have no effect in us-south-1; "
        "every port of the instance is open to the network"
    ]


def test_every_problem_of_a_bad_file_is_one_line_and_nothing_is_registered(run: RunStack) -> None:
    fleet = {"a": {**A10, "type": "1xRTX4090"}, "b": {**A10, "filesystems": ["nowhere"]}}
    made = run(small_config(fleet, endpoint="lamda"))
    assert (made.exit_code, made.resources, made.outputs) == (1, {}, {})
    lines = "\n".join(made.errors).splitlines()
    assert [" ".join(line.split()[:6]) for line in lines] == [
        'Pulumi.local.yaml sophia:endpoint: "lamda" is not an',
        'Pulumi.local.yaml sophia:fleet.a.type: "1xRTX4090" is not an',
        'Pulumi.local.yaml sophia:fleet.b.filesystems[0]: "nowhere" is not in',
    ]


def test_a_missing_configuration_registers_nothing(run: RunStack) -> None:
    made = run({})
    assert (made.exit_code, made.resources) == (1, {})
    assert "sophia:endpoint" in made.errors[0]


def test_the_program_file_does_nothing_but_run() -> None:
    lines = (Path(__file__).parents[2] / "__main__.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 20
    assert lines[-1] == "run()"
