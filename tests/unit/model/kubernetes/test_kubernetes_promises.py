"""Defaults that the documentation promises, and how the section behaves as a value."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from sophia_infra.model.kubernetes import (
    ARM64_GPU_MODELS,
    ImagesConfig,
    KubernetesConfig,
    NamespaceConfig,
    SecretsConfig,
    TrainingConfig,
)
from sophia_infra.model.kubernetes.gpus import GPU_MODELS, MIG_SLICES
from sophia_infra.model.schema import build_schema
from sophia_infra.model.stack_config import ConfigError, StackConfig
from tests.unit.model.kubernetes.kubernetes_stacks import (
    API,
    LLM,
    SECTION,
    STORE,
    changed,
    section_of,
    stack_of,
)
from tests.unit.model.test_model_secrets_stay_hidden import SECRETS


def test_promised_defaults_of_a_section() -> None:
    kube = KubernetesConfig()
    assert (kube.cluster, kube.topology, kube.first_phase, kube.workloads_phase) == (
        "joined",
        "per_region",
        1,
        2,
    )
    assert kube.k3s_version == "v1.36.4+k3s1"
    unset = (kube.kubeconfig_env, kube.primary_region, kube.server, kube.ingress, kube.secrets, kube.training)
    assert unset == (None,) * 6
    operator = kube.gpu_operator
    assert (operator.enabled, operator.version, operator.driver, operator.toolkit) == (
        True,
        "v26.7.0",
        False,
        True,
    )
    assert kube.namespaces == {"sophia-ai-prod": NamespaceConfig()}
    assert kube.namespaces["sophia-ai-prod"].pod_security == "restricted"
    storage = kube.storage_class
    assert (storage.name, storage.provisioner, storage.reclaim) == (
        "sophia-local",
        "rancher.io/local-path",
        "Retain",
    )
    assert not kube.images.require_digest
    assert kube.shared_ports == (80, 5678, 8000)


def test_promised_defaults_of_what_is_switched_on() -> None:
    secrets = SecretsConfig(organization="o", project="p", environment="e")
    assert (secrets.token_env, secrets.refresh_interval, secrets.rotate_days, secrets.api_url) == (
        "PULUMI_ACCESS_TOKEN",
        "1h",
        30,
        None,
    )
    training = TrainingConfig()
    assert (training.namespace, training.queue, training.version) == ("sophia-training", "training", "0.19.2")


def test_promised_defaults_of_a_row() -> None:
    kube = section_of(stack_of())
    api, store = kube.workloads["api"], kube.databases["store"]
    assert (api.namespace, api.user_id, api.grace_s, api.max_unavailable) == ("sophia-ai-prod", 10001, 30, 1)
    assert (api.team, api.priority, api.internet, api.gpu, api.shm) == (
        "platform",
        "standard",
        False,
        None,
        None,
    )
    health = api.health
    assert (health.path, health.port, health.tcp, health.startup_s, health.liveness_period_s) == (
        "/health",
        None,
        False,
        60,
        10,
    )
    assert (api.main_port, api.service_port("http"), api.most_replicas) == (8000, 8000, 2)
    assert (store.main_port, store.ports, store.sentinels, store.grace_s) == (5432, {"postgres": 5432}, 0, 60)
    assert kube.workloads["llm"].architectures == ("amd64", "arm64")


def test_an_image_is_pinned_once() -> None:
    digest = "sha256:" + "a" * 64
    images = ImagesConfig(digests={"a:1": digest})
    assert images.pinned("a:1") == f"a:1@{digest}"
    assert images.pinned("b:1") == "b:1"
    pinned = f"a:1@sha256:{'b' * 64}"
    assert ImagesConfig(digests={pinned: digest}).pinned(pinned) == pinned


def test_gpu_models_are_those_of_the_catalogue() -> None:
    assert GPU_MODELS == ("RTX6000", "A10", "A6000", "A100", "GH200", "H100", "B200", "V100")
    assert {"GH200"} == ARM64_GPU_MODELS
    assert {model for model, _ in MIG_SLICES} <= set(GPU_MODELS)
    for slices in MIG_SLICES.values():
        for profile, count in slices.items():
            assert count * int(profile[0]) <= 7, "a GPU has seven slices of compute"


def test_a_dump_reads_back_equal() -> None:
    stack = stack_of()
    assert StackConfig.model_validate(stack.model_dump()) == stack
    assert StackConfig.model_validate_json(stack.model_dump_json()) == stack


def test_editors_accept_what_the_parser_accepts() -> None:
    schema = jsonschema_rs.validator_for(build_schema())
    assert schema.is_valid({"config": changed()})
    assert json.dumps(build_schema()["$defs"]["WorkloadConfig"])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((SECTION, "colour"), "red"),
        ((*API, "cpu"), "lots"),
        ((*API, "memory"), "512M"),
        ((*API, "ports", "http"), 0),
        ((*LLM, "gpu", "model"), "GH20"),
        ((*STORE, "autoscale"), {"min": 1}),
        ((*STORE, "kind"), "mysql"),
        ((SECTION, "node_roles"), {"core": "training,large-inference"}),
        ((SECTION, "k3s_version"), "latest"),
    ],
)
def test_editors_show_what_the_parser_refuses(path: tuple[Any, ...], value: object) -> None:
    schema = jsonschema_rs.validator_for(build_schema())
    assert not schema.is_valid({"config": changed((path, value))})
    with pytest.raises(ConfigError):
        stack_of((path, value))


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret[:6])
@pytest.mark.parametrize(
    "path",
    [
        (SECTION, "k3s_version"),
        (SECTION, "node_roles", "core"),
        (SECTION, "secrets", "token_env"),
        (SECTION, "secrets", "api_url"),
        (*API, "image"),
        (*API, "cpu"),
        (*API, "memory"),
        (*API, "env", "SETTING"),
        (*API, "secret_env", "KEY"),
        (*API, "args"),
        (*STORE, "settings"),
        (*STORE, "backup"),
    ],
    ids=lambda path: str(path[-1]),
)
def test_a_secret_in_the_wrong_place_is_not_repeated(path: tuple[Any, ...], secret: str) -> None:
    wrapped: dict[str, Any] = {
        "node_roles": secret,
        "args": [secret],
        "settings": {"x": secret},
        "backup": {"schedule": secret, "size": "1Gi"},
    }
    with pytest.raises(ConfigError) as caught:
        stack_of((path, wrapped.get(str(path[-1]), secret)))
    assert secret[6:] not in str(caught.value) + repr(caught.value.problems)
    assert secret[6:].lower() not in str(caught.value)
