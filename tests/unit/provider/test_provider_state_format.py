"""What lies in old states must stay readable: launch keys, property names, and the pickled providers."""

from __future__ import annotations

import base64
import os
import pickle
import subprocess
import sys
from typing import Any

import pytest
from pulumi.dynamic import ConfigureRequest
from pulumi.dynamic.config import Config
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime import rpc

from sophia_infra.model.errors import Refused
from sophia_infra.model.launch_choice import LaunchChoice
from sophia_infra.model.resource_tokens import KINDS, chosen_provider, kind_of, resource_token
from sophia_infra.provider import dynamic, errors, resources, serving
from sophia_infra.provider.engine_watch import EngineGone
from sophia_infra.provider.instance_spec import InstanceSpec, Machine, outputs_of
from sophia_infra.provider.outcome import UNKNOWN, Checked, Created, Diff, Found, Kind
from sophia_infra.provider.session import Session
from sophia_infra.provider.tags import LaunchKey, Owner
from tests.unit.provider.stage import STACK, Stage, props

PROVIDERS: list[type[Any]] = [
    dynamic.ClusterCredentialsProvider,
    dynamic.ClusterReadyProvider,
    dynamic.FilesystemProvider,
    dynamic.FirewallRulesetProvider,
    dynamic.FleetReadyProvider,
    dynamic.InferenceEndpointProvider,
    dynamic.InstanceProvider,
    dynamic.OneClickClusterProvider,
    dynamic.SshKeyProvider,
]
WHOLE_SPEC = props(
    image={"family": "lambda-stack-24-04"},
    user_data="#cloud-config\npackages: [jq]\n",
    hostname="core",
    filesystems=["models", "checkpoints"],
    generation=3,
)


def test_the_launch_key_of_a_spec_never_changes() -> None:
    """Another value here would make every machine of every existing stack look like a stranger."""
    assert str(InstanceSpec.of(props()).launch_key) == f"{STACK}/core/g1-89760daefee6c2f3"
    assert str(InstanceSpec.of(WHOLE_SPEC).launch_key) == f"{STACK}/core/g3-261d5488c14a11be"


@pytest.mark.parametrize(
    "change",
    [
        {"tags": {"a1": "b"}},
        {"firewall_ruleset_ids": ["f" * 32]},
        {"boot_data": "#cloud-config\nruncmd: [[sophia-join]]\n"},
        {"fallbacks": [{"region": "us-west-1"}]},
        {"wait_for_capacity": {"max_minutes": 1, "max_usd": "1"}},
        {"name": "another"},
        {"filesystems": ["checkpoints", "models"]},
        {"generation": 3.0},
    ],
)
def test_what_does_not_replace_is_not_part_of_the_launch_key(change: dict[str, Any]) -> None:
    assert InstanceSpec.of({**WHOLE_SPEC, **change}).launch_key == InstanceSpec.of(WHOLE_SPEC).launch_key


@pytest.mark.parametrize(
    "change",
    [
        {"instance_type": "gpu_1x_a6000"},
        {"region": "us-west-1"},
        {"image": {"id": "x"}},
        {"ssh_key_name": "another"},
        {"user_data": ""},
        {"hostname": "other"},
        {"filesystems": ["models"]},
        {"generation": 4},
        {"logical_name": "other"},
        {"stack": "sophia-infra/other"},
    ],
)
def test_what_replaces_is_part_of_the_launch_key(change: dict[str, Any]) -> None:
    assert InstanceSpec.of({**WHOLE_SPEC, **change}).launch_key != InstanceSpec.of(WHOLE_SPEC).launch_key


def test_the_same_empty_values_give_the_same_launch_key() -> None:
    empty = props(image={}, user_data="", hostname="", filesystems=[], tags={})
    assert InstanceSpec.of(empty).launch_key == InstanceSpec.of(props()).launch_key


def test_a_key_is_read_back_from_its_tags_and_from_nobody_elses() -> None:
    key = InstanceSpec.of(WHOLE_SPEC).launch_key
    tags = key.tags(1_790_000_000.9)
    assert tags == {
        "sophia-stack": STACK,
        "sophia-name": "core",
        "sophia-launch": key.value,
        "sophia-launched-at": "1790000000",
    }
    assert LaunchKey.of(Owner(STACK, "core"), tags) == key
    assert LaunchKey.of(Owner(STACK, "other"), tags) is None
    for value in ("", "g1", "g1-xyz", key.value + "0", "g-0123456789abcdef"):
        assert LaunchKey.of(Owner(STACK, "core"), {**tags, "sophia-launch": value}) is None


def test_the_state_of_a_machine_has_exactly_these_properties() -> None:
    outputs = outputs_of(
        WHOLE_SPEC, Machine("a" * 32, LaunchChoice("gpu_1x_a10", "us-east-1"), "core"), adopted=False
    )
    assert sorted(set(outputs) - set(WHOLE_SPEC)) == [
        "adopted",
        "instance_id",
        "launched_region",
        "launched_type",
        "launched_with",
    ]
    assert outputs["launched_with"] == {"tags": None, "firewall_ruleset_ids": None}


def test_a_machines_status_and_address_are_not_in_its_state(stage: Stage) -> None:
    """They change by themselves, and every change would be drift."""
    created = stage.kind().create(props())
    assert not {"status", "ip", "private_ip", "tags"} & set(created.outputs)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_is_pickled_by_reference_and_small(provider: Any) -> None:
    pickled = base64.b64decode(serialize_provider(provider()))
    assert len(pickled) < 200
    assert b"sophia_infra.provider.dynamic" in pickled
    assert provider.__name__.encode() in pickled
    assert type(pickle.loads(pickled)) is provider  # noqa: S301 (made two lines above)


def test_a_pickled_provider_is_the_same_text_in_every_process() -> None:
    """Otherwise every resource would be updated each time (pulumi#12401)."""
    program = (
        "from pulumi.dynamic.dynamic import serialize_provider\n"
        "from sophia_infra.provider import dynamic\n"
        f"for name in {[provider.__name__ for provider in PROVIDERS]!r}:\n"
        "    print(serialize_provider(getattr(dynamic, name)()))\n"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert texts == {"".join(serialize_provider(provider()) + "\n" for provider in PROVIDERS)}


def test_no_provider_makes_its_resource_a_secret() -> None:
    assert {provider.serialize_as_secret_always for provider in PROVIDERS} == {False}


def test_the_types_of_the_resources_never_change() -> None:
    assert resource_token("Instance", "dynamic") == "pulumi-python:dynamic/lambda:Instance"
    assert resource_token("Instance", "native") == "lambda:index:Instance"
    for kind in KINDS:
        assert {kind_of(resource_token(kind, "dynamic")), kind_of(resource_token(kind, "native"))} == {kind}
        assert getattr(resources, kind).kind == kind
    assert kind_of("lambda:index:Thing") is None
    assert kind_of(None) is None


def test_the_provider_is_dynamic_unless_the_variable_says_native() -> None:
    assert chosen_provider({}) == chosen_provider({"SOPHIA_PROVIDER": "dynamic"}) == "dynamic"
    assert chosen_provider({"SOPHIA_PROVIDER": "native"}) == "native"
    with pytest.raises(Refused, match="SOPHIA_PROVIDER is 'grpc'; allowed: dynamic, native"):
        chosen_provider({"SOPHIA_PROVIDER": "grpc"})


class Recorder:
    """A kind that notes how it is called."""

    def __init__(self, _session: Session | None = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.found = Found("id", {"a": 1}, {"b": 2})

    def check(self, olds: Any, news: Any) -> Checked:
        self.calls.append(("check", olds, news))
        return Checked({**news, "later": UNKNOWN}, (("name", "is missing"),))

    def diff(self, resource_id: str, olds: Any, news: Any) -> Diff:
        self.calls.append(("diff", resource_id, olds, news))
        return Diff(("name", "tags"), ("name",), ("tags",))

    def create(self, news: Any) -> Created:
        self.calls.append(("create", news))
        return Created("id", {"a": 1})

    def read(self, resource_id: str, properties: Any) -> Found:
        self.calls.append(("read", resource_id, properties))
        return self.found

    def update(self, resource_id: str, olds: Any, news: Any) -> Any:
        self.calls.append(("update", resource_id, olds, news))
        return {"a": 2}

    def delete(self, resource_id: str, properties: Any) -> None:
        self.calls.append(("delete", resource_id, properties))


@pytest.fixture
def adapted(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> tuple[dynamic.InstanceProvider, Recorder]:
    recorder = Recorder()
    kind: Kind = recorder
    monkeypatch.setattr(serving, "_session", stage.session())
    monkeypatch.setitem(serving._KINDS, "Instance", lambda _session: kind)
    provider = dynamic.InstanceProvider()
    provider.configure(ConfigureRequest(Config({}, "sophia-infra")))
    return provider, recorder


def test_the_adapter_keeps_the_pickled_provider_and_the_engines_unknowns_from_the_kinds(
    adapted: tuple[dynamic.InstanceProvider, Recorder],
) -> None:
    provider, recorder = adapted
    wire = {"__provider": "gASV", "key": rpc.UNKNOWN, "deep": {"list": [rpc.UNKNOWN, 1]}}
    known = {"key": UNKNOWN, "deep": {"list": [UNKNOWN, 1]}}
    checked = provider.check(wire, wire)
    assert recorder.calls == [("check", known, known)]
    assert checked.inputs == {
        "key": rpc.UNKNOWN,
        "deep": {"list": [rpc.UNKNOWN, 1]},
        "later": rpc.UNKNOWN,
    }
    assert [(one.property, one.reason) for one in checked.failures] == [("name", "is missing")]


def test_the_adapter_passes_every_answer_on(adapted: tuple[dynamic.InstanceProvider, Recorder]) -> None:
    provider, recorder = adapted
    diff = provider.diff("id", {}, {})
    assert (diff.changes, diff.replaces, diff.delete_before_replace) == (True, ["name"], None)
    created = provider.create({})
    assert (created.id, created.outs) == ("id", {"a": 1})
    found = provider.read("id", {})
    assert (found.id, found.outs, found.inputs) == ("id", {"a": 1}, {"b": 2})
    assert provider.update("id", {}, {}).outs == {"a": 2}
    provider.delete("id", {})
    recorder.found = Found(None)
    gone = provider.read("id", {})
    assert (gone.id, gone.outs) == ("", {})


def test_a_state_that_names_no_python_provider_is_written_anew(
    adapted: tuple[dynamic.InstanceProvider, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The native provider wrote it: a later delete would find nobody to carry it out."""
    provider, recorder = adapted
    monkeypatch.setattr(recorder, "diff", lambda *_: Diff())
    assert provider.diff("id", {}, {}).changes is True
    assert provider.diff("id", {"__provider": "gASV"}, {}).changes is False


def test_every_error_says_what_to_do_next_and_stands_in_the_drawn_tree() -> None:
    for name in errors.__all__:
        error = getattr(errors, name)
        assert issubclass(error, errors.ProviderError)
        assert error.fault in {"user", "lambda", "network", "ours"}
        assert str(error("It happened.", next_step="do this.")) == "It happened. Next: do this."
        assert errors.__doc__ is not None
        assert name in errors.__doc__
    assert issubclass(EngineGone, errors.ProviderError)
