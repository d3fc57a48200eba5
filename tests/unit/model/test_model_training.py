"""`sophia:training`: the plan's cluster, corrected, and every way to write it wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from sophia_infra.model.catalogue import REGIONS
from sophia_infra.model.errors import ConfigError
from sophia_infra.model.explain import explain
from sophia_infra.model.forms import Conflict
from sophia_infra.model.stack_config import StackConfig, parse_stack_config
from sophia_infra.model.storage import FilesystemConfig
from sophia_infra.model.training import ClusterConfig, TrainingSection
from sophia_infra.model.training_rules import find_training_conflicts

RIGHT: dict[str, Any] = {
    "type": "8xH100",
    "regions": ["us-east-3", "us-west-3"],
    "min_nodes": 1,
    "max_nodes": 8,
    "max_usd": "$6,500",
    "max_hours": 24,
    "workload": "large-model-training",
    "command": "train.py --epochs 3",
}


def cluster(**changes: Any) -> ClusterConfig:
    whole = {key: value for key, value in {**RIGHT, **changes}.items() if value is not ...}
    return ClusterConfig.model_validate(whole)


def problems(**changes: Any) -> list[Conflict]:
    with pytest.raises(ValidationError) as caught:
        cluster(**changes)
    return explain(caught.value, ClusterConfig)


def test_the_plans_cluster_corrected() -> None:
    config = cluster()
    assert config.type == "gpu_8x_h100_sxm5"
    assert (config.min_nodes, config.max_nodes) == (1, 8)
    assert (config.max_usd, config.max_hours) == (Decimal(6500), 24)
    assert config.hints == ()


def test_promised_defaults() -> None:
    config = cluster(min_nodes=...)
    assert config.min_nodes is None
    assert config.bootstrap == "torchrun_ssh"
    assert (config.ssh_user, config.results, config.env, config.fallbacks) == ("ubuntu", "results", (), ())
    assert (config.wait_for_capacity, config.checkpoints, config.ssh_key) == (None, None, None)
    assert not config.self_terminate


def test_the_plans_type_is_taken_for_the_real_one_and_said() -> None:
    [hint] = cluster(type="gpu_8x_h100").hints
    assert "gpu_8x_h100;" in hint
    assert "gpu_8x_h100_sxm5" in hint
    assert cluster(type="gpu_8x_h100_sxm5").hints == ()


@pytest.mark.parametrize("key", ["name", "instance_type", "auto_scale"])
def test_the_plans_other_keys_are_refused_with_ours(key: str) -> None:
    [found] = problems(**{key: "x"})
    assert found.loc == (key,)
    assert "the plan's name" in found.refused.message


@pytest.mark.parametrize(
    "key", ["max_usd", "max_hours", "type", "regions", "max_nodes", "command", "workload"]
)
def test_what_has_no_default_is_required(key: str) -> None:
    [found] = problems(**{key: ...})
    assert found.loc == (key,)
    assert "is missing" in found.refused.message


@pytest.mark.parametrize(
    ("changes", "loc", "words"),
    [
        ({"type": "8xH200"}, ("type",), "is not an instance type"),
        ({"type": "1xH100"}, ("type",), "fits more than one"),
        ({"regions": ["us-east"]}, ("regions",), "did you mean us-east-3"),
        ({"regions": []}, ("regions",), "is empty"),
        ({"regions": "us-east-3"}, ("regions",), "is not a list"),
        ({"regions": ["us-east-3", "us-east-3"]}, ("regions",), "twice"),
        ({"max_nodes": 9}, ("max_nodes",), "out of range"),
        ({"max_nodes": 0}, ("max_nodes",), "out of range"),
        ({"max_nodes": 2, "min_nodes": 3}, ("min_nodes",), "above max_nodes"),
        ({"max_usd": 500}, ("max_usd",), "not text"),
        ({"max_usd": "$0"}, ("max_usd",), "not above zero"),
        ({"max_hours": 0}, ("max_hours",), "out of range"),
        ({"max_hours": 0.5}, ("max_hours",), "not a whole number"),
        ({"nodes": 3}, ("nodes",), "not a known key"),
        ({"bootstrap": "slurm"}, ("bootstrap",), "is not a way"),
        ({"env": ["hf_abcdefgh12345678"]}, ("env", 0), "is it the key itself"),
        ({"results": "a b"}, ("results",), "is not a path"),
        ({"fallbacks": ["8xH100_SXM5"]}, ("fallbacks", 0), "twice"),
        ({"fallbacks": ["1xGH200"]}, ("fallbacks",), "both CPU architectures"),
        (
            {"type": "1xGH200", "image_family": "gpu-base-24-04"},
            ("image_family",),
            "does not exist for arm64",
        ),
        ({"bootstrap": "join"}, ("image",), "goes with bootstrap: join"),
        ({"image": "example.test/train:1"}, ("image",), "goes with bootstrap: join"),
        ({"claim": "runs"}, ("claim",), "goes with bootstrap: join"),
        ({"replace_lost": "always"}, ("replace_lost",), "neither true nor false"),
        ({"self_terminate": True}, ("self_terminate_key_env",), "goes with self_terminate"),
        ({"self_terminate_key_env": "KEY"}, ("self_terminate_key_env",), "goes with self_terminate"),
        ({"wait_for_capacity": {"max_minutes": 5}}, ("wait_for_capacity", "max_usd"), "is missing"),
    ],
)
def test_a_wrong_value_names_key_and_what_is_allowed(
    changes: dict[str, Any], loc: tuple[str | int, ...], words: str
) -> None:
    [found] = problems(**changes)
    assert found.loc == loc
    assert words in found.refused.message


def test_any_region_is_every_region_and_prints_back() -> None:
    config = cluster(regions="any")
    assert config.regions == tuple(REGIONS)
    dumped = config.model_dump(mode="json")
    assert dumped["regions"] == "any"
    assert ClusterConfig.model_validate(dumped) == config
    assert cluster().model_dump(mode="json")["regions"] == ["us-east-3", "us-west-3"]


def test_every_field_says_what_it_is_and_its_default() -> None:
    for name, field in ClusterConfig.model_fields.items():
        assert field.description, name
        assert "efault" in (field.description or ""), name
    assert "ClusterConfig" in TypeAdapter(TrainingSection).json_schema()["$defs"]


def conflicts(section: dict[str, ClusterConfig], **more: Any) -> list[Conflict]:
    rest: dict[str, Any] = {"filesystems": {}, "has_ssh": True, "has_queue": True, **more}
    return find_training_conflicts(section, **rest)


def test_a_cluster_has_to_fit_the_rest_of_the_file() -> None:
    disks = {"runs": FilesystemConfig(region="us-south-1"), "here": FilesystemConfig(region="us-west-3")}
    [elsewhere] = conflicts({"a": cluster(checkpoints="runs")}, filesystems=disks)
    assert elsewhere.loc == ("training", "a", "checkpoints")
    assert "never moves" in elsewhere.refused.message
    [unknown] = conflicts({"a": cluster(checkpoints="heer")}, filesystems=disks)
    assert "did you mean here" in unknown.refused.message
    assert conflicts({"a": cluster(checkpoints="here")}, filesystems=disks) == []
    assert conflicts({"a": cluster(checkpoints="unread")}, filesystems=None) == []
    assert conflicts({"a": cluster(checkpoints="unread")}, filesystems={"unread": None}) == []
    [double] = conflicts({"a": cluster(), "b": cluster()})
    assert (double.loc, double.value) == (("training", "b", "workload"), "large-model-training")
    [keyless] = conflicts({"a": cluster()}, has_ssh=False)
    assert keyless.loc == ("training", "a", "ssh_key")
    assert conflicts({"a": cluster(ssh_key="mine")}, has_ssh=False) == []
    [join] = conflicts({"a": cluster(bootstrap="join", image="example.test/train:1")}, has_queue=False)
    assert join.loc == ("training", "a", "bootstrap")


def stack(**training: Any) -> StackConfig:
    values = {
        "endpoint": "emulator",
        "budget": {"limit": "$500/day"},
        "ssh": {"existing": "team-key"},
        "fleet": {},
        "training": training,
    }
    return parse_stack_config({f"sophia:{key}": value for key, value in values.items()}, "Pulumi.x.yaml")


def test_a_one_click_cluster_is_its_id_and_nothing_else() -> None:
    config = stack(runs=RIGHT, reserved={"cluster_id": "a" * 32})
    assert list(config.training_clusters) == ["runs"]
    assert config.one_click_clusters["reserved"].cluster_id == "a" * 32
    assert stack(**config.model_dump(mode="json")["training"]) == config


@pytest.mark.parametrize(
    ("section", "key", "words"),
    [
        ({"cluster_id": "my-cluster"}, "sophia:training.a.cluster_id", "is not a cluster id"),
        ({"cluster_id": "a" * 32, "max_usd": "$5"}, "sophia:training.a.max_usd", "is not a known key"),
        ({"max_usd": "$5"}, "sophia:training.a.type", "is missing"),
    ],
)
def test_what_is_wrong_is_said_of_the_kind_of_cluster_that_was_meant(
    section: dict[str, Any], key: str, words: str
) -> None:
    with pytest.raises(ConfigError) as error:
        stack(a=section)
    [found] = [one for one in error.value.problems if one.key == key]
    assert words in str(found)
