"""A custom object is refused without a server where the server would refuse it, and for the same reason."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from sophia_infra.charts import (
    CustomResource,
    ResourceVersion,
    as_helm_chart_object,
    check_custom_object,
    custom_resources,
    is_custom_object,
)
from tests.unit.charts.custom_objects import (
    EXAMPLES,
    cluster_policy,
    cluster_queue,
    external_secret,
    secret_store,
    served,
    smallest_object,
)

EVERY_VERSION = pytest.mark.parametrize(
    ("resource", "version"),
    served(),
    ids=lambda value: value.kind if isinstance(value, CustomResource) else value.name,
)


@pytest.mark.parametrize("body", EXAMPLES, ids=lambda body: body["kind"])
def test_objects_as_users_write_them_are_right(body: dict[str, Any]) -> None:
    assert check_custom_object(body) == []


@EVERY_VERSION
def test_the_smallest_object_of_every_kind_is_right(
    resource: CustomResource, version: ResourceVersion
) -> None:
    assert check_custom_object(smallest_object(resource, version)) == []


@EVERY_VERSION
def test_a_required_field_is_missed_in_every_kind(resource: CustomResource, version: ResourceVersion) -> None:
    whole = smallest_object(resource, version)
    fields = whole["spec"] if version.has_spec else whole
    above = "spec." if version.has_spec else ""
    for field in [path for path in version.required if path.removeprefix(above) in fields]:
        body = deepcopy(whole)
        del (body["spec"] if version.has_spec else body)[field.removeprefix(above)]
        assert f"{resource.kind} smallest: {field} is required" in check_custom_object(body)


@EVERY_VERSION
def test_an_unknown_first_level_field_fails_in_every_kind(
    resource: CustomResource, version: ResourceVersion
) -> None:
    body = smallest_object(resource, version)
    (body["spec"] if version.has_spec else body)["nosuchfield"] = 1
    (problem,) = check_custom_object(body)
    assert problem.startswith(
        f"{resource.kind} smallest: {'spec.' if version.has_spec else ''}nosuchfield is not a field"
    )


@EVERY_VERSION
def test_scope_is_checked_in_every_kind(resource: CustomResource, version: ResourceVersion) -> None:
    body = smallest_object(resource, version)
    if resource.scope == "Namespaced":
        del body["metadata"]["namespace"]
        expected = "metadata.namespace is missing; the kind is namespaced"
    else:
        body["metadata"]["namespace"] = "default"
        expected = "metadata.namespace is given, but the kind belongs to the whole cluster"
    assert check_custom_object(body) == [f"{resource.kind} smallest: {expected}"]


def test_all_problems_come_at_once() -> None:
    body = external_secret(
        dta=[],
        data=[{"secretKey": "KEY", "remoteRef": {"property": "x"}}, {"remoteRef": {"key": "k"}}],
        refreshPolicy="Sometimes",
        refreshInterval=1,
    )
    assert [problem.removeprefix("ExternalSecret backend: ") for problem in check_custom_object(body)] == [
        "spec.refreshInterval is not of type string",
        "spec.data[0].remoteRef.key is required",
        "spec.data[1].secretKey is required",
        "spec.dta is not a field, did you mean data?",
        'spec.refreshPolicy is none of "CreatedOnce", "Periodic", "OnChange"',
    ]


def test_what_is_required_deep_down_binds_only_where_its_parent_is_given() -> None:
    store = secret_store()
    store["spec"]["provider"] = {"vault": {}}
    assert check_custom_object(store) == ["SecretStore pulumi-esc: spec.provider.vault.server is required"]
    del store["spec"]["provider"]
    assert check_custom_object(store) == ["SecretStore pulumi-esc: spec.provider is required"]


def test_spec_itself_is_demanded_only_where_its_definition_does() -> None:
    store = secret_store()
    del store["spec"]
    assert check_custom_object(store) == []
    scaled = {**store, "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject"}
    assert check_custom_object(scaled) == ["ScaledObject pulumi-esc: spec is required"]


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("minReplicaCount", True, "is not of type integer"),
        ("minReplicaCount", 1.5, "is not of type integer"),
        ("triggers", {}, "is not of type array"),
        ("advanced", "x", "is not of type object"),
    ],
)
def test_the_type_of_a_first_level_field_is_checked(field: str, value: object, problem: str) -> None:
    body = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "gpu", "namespace": "x"},
        "spec": {"scaleTargetRef": {"name": "x"}, "triggers": [], field: value},
    }
    assert check_custom_object(body) == [f"ScaledObject gpu: spec.{field} {problem}"]


@pytest.mark.parametrize(("value", "wrong"), [("1h", False), (60, False), (True, True), (["1h"], True)])
def test_a_number_or_text_is_nothing_else(value: object, wrong: bool) -> None:
    store = secret_store()
    store["spec"]["refreshInterval"] = value
    problem = "SecretStore pulumi-esc: spec.refreshInterval is neither an integer nor text"
    assert check_custom_object(store) == [problem] * wrong


def test_what_a_map_holds_is_checked() -> None:
    driver = {
        "apiVersion": "nvidia.com/v1alpha1",
        "kind": "NVIDIADriver",
        "metadata": {"name": "all"},
        "spec": {"default": True, "driverType": "gpu", "image": "driver", "labels": {"a": "b", "c": 1}},
    }
    assert check_custom_object(driver) == ["NVIDIADriver all: spec.labels.c is not of type string"]


def test_every_operand_of_the_gpu_operator_is_demanded() -> None:
    policy = cluster_policy()
    policy["spec"] = {"operator": {}}
    assert len(check_custom_object(policy)) == 8


@pytest.mark.parametrize(
    ("api_version", "kind", "problem"),
    [
        (
            "external-secrets.io/v1beta1",
            "ExternalSecret",
            "version v1beta1 of external-secrets.io is not served; ",
        ),
        (
            "external-secrets.io/v7",
            "ExternalSecret",
            "version v7 of external-secrets.io is not served; served: v1",
        ),
        ("external-secrets.io/v1", "ExternlSecret", "in no pinned chart, did you mean ExternalSecret?"),
        ("kueue.x-k8s.io/v1beta2", "ClusterPolicy", "in no pinned chart; the kind exists in nvidia.com"),
        ("example.com/v1", "Thing", "Thing of group example.com is in no pinned chart"),
        ("apps/v1", "Deployment", "Deployment of 'apps/v1' is no custom resource"),
        ("v1", "", "an object of 'v1' is no custom resource"),
    ],
)
def test_a_kind_or_version_that_cannot_be_used_is_said(api_version: str, kind: str, problem: str) -> None:
    body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": "y"}}
    (found,) = check_custom_object(body)
    assert problem in found


def test_the_older_version_of_a_queue_has_its_own_fields() -> None:
    queue = cluster_queue()
    queue["spec"]["cohort"] = "all"
    (problem,) = check_custom_object(queue)
    assert problem.endswith("spec.cohort is not a field, did you mean cohortName?")
    assert check_custom_object({**queue, "apiVersion": "kueue.x-k8s.io/v1beta1"}) == []


class Unresolved:
    """As the engine's outputs: nobody may take one for true or false."""

    def __bool__(self) -> bool:
        raise TypeError


def test_an_unresolved_output_is_not_judged() -> None:
    body = external_secret()
    body["metadata"] = {"name": Unresolved(), "namespace": Unresolved()}
    assert check_custom_object(body) == []
    body["spec"] = Unresolved()
    assert check_custom_object(body) == []
    assert (
        check_custom_object(external_secret(target=object(), data=[object()], refreshInterval=object())) == []
    )


def test_an_object_without_name_is_refused() -> None:
    body = external_secret()
    del body["metadata"]
    assert check_custom_object(body) == [
        "ExternalSecret (no name): metadata.name is missing",
        "ExternalSecret (no name): metadata.namespace is missing; the kind is namespaced",
    ]


@pytest.mark.parametrize(
    ("api_version", "custom"),
    [
        ("v1", False),
        ("apps/v1", False),
        ("rbac.authorization.k8s.io/v1", False),
        ("kueue.x-k8s.io/v1beta2", True),
    ],
)
def test_kubernetes_own_groups_are_told_apart(api_version: str, custom: bool) -> None:
    assert is_custom_object({"apiVersion": api_version}) is custom


def test_what_k3s_installs_is_in_the_table() -> None:
    body = as_helm_chart_object(
        "gpu-operator", "gpu-operator", "gpu-operator", {"driver": {"enabled": False}}
    )
    assert check_custom_object(body) == []
    assert custom_resources()["helm.cattle.io", "HelmChart"].chart == "k3s"
