"""The short definitions on a real API server: taken whole, and refusing what the vendors' would refuse.

They cost some seconds: the server announces each new kind before it calls it established. What they buy is
that a manifest which passes here cannot fail on a field, version or scope in a real cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from sophia_infra.charts import (
    as_helm_chart_object,
    check_custom_object,
    custom_resource_definitions,
    find_resource,
)
from sophia_infra.control_plane.api_client import MERGE
from sophia_infra.control_plane.errors import RequestRefused
from tests.cluster.plane import Plane
from tests.unit.charts.custom_objects import (
    EXAMPLE_NAMESPACE,
    EXAMPLES,
    external_secret,
    secret_store,
    served,
    smallest_object,
)

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="module")
def api(plane: Plane) -> Iterator[Plane]:
    """The server with every definition of the table and a namespace; all of it goes with the module."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": EXAMPLE_NAMESPACE}}
    made = []
    for path, body in [
        ("/api/v1/namespaces", namespace),
        *((DEFINITIONS, definition) for definition in custom_resource_definitions()),
    ]:
        plane.request("POST", path, body, fieldValidation="Strict")
        made.append(f"{path}/{body['metadata']['name']}")
    plane.wait_for(lambda: all(found.get("Established") for found in _conditions(plane).values()))
    yield plane
    for path in made:
        plane.request("DELETE", path)
    for path in made:
        plane.wait_for(partial(_is_gone, plane, path))


def _conditions(plane: Plane) -> dict[str, dict[str, bool]]:
    """Condition -> whether it is true, of each of our definitions."""
    ours = {definition["metadata"]["name"] for definition in custom_resource_definitions()}
    return {
        item["metadata"]["name"]: {
            condition["type"]: condition["status"] == "True"
            for condition in item.get("status", {}).get("conditions") or ()
        }
        for item in plane.request("GET", DEFINITIONS)["items"]
        if item["metadata"]["name"] in ours
    }


def _is_gone(plane: Plane, path: str) -> bool:
    return _answer(plane, "GET", path)[0] == 404


def _answer(plane: Plane, method: str, path: str, body: Any = None, **query: str) -> tuple[int, str]:
    """HTTP status, and the server's sentence where it refused."""
    try:
        plane.request(method, path, body, **query)
    except RequestRefused as refused:
        return refused.status, str(refused)
    return 200, ""


def resource_path(body: dict[str, Any]) -> str:
    group, version = body["apiVersion"].split("/")
    resource = find_resource(group, body["kind"])
    assert resource is not None
    namespace = f"/namespaces/{EXAMPLE_NAMESPACE}" if resource.scope == "Namespaced" else ""
    return f"/apis/{group}/{version}{namespace}/{resource.plural}"


def try_to_create(plane: Plane, body: dict[str, Any]) -> tuple[int, str]:
    """A strict dry run: nothing is stored."""
    return _answer(plane, "POST", resource_path(body), body, fieldValidation="Strict", dryRun="All")


def test_every_definition_is_established_and_structural(api: Plane) -> None:
    conditions = _conditions(api)
    for definition in custom_resource_definitions():
        found = conditions[definition["metadata"]["name"]]
        assert found["Established"]
        assert found["NamesAccepted"]
        assert not found.get("NonStructuralSchema")


@pytest.mark.parametrize("body", EXAMPLES, ids=lambda body: body["kind"])
def test_an_object_as_users_write_it_is_accepted(api: Plane, body: dict[str, Any]) -> None:
    assert try_to_create(api, body) == (200, "")


def test_the_smallest_object_of_every_kind_and_version_is_accepted(api: Plane) -> None:
    refused = {
        f"{resource.kind} {version.name}": message
        for resource, version in served()
        if (message := try_to_create(api, smallest_object(resource, version))[1])
    }
    assert refused == {}


def test_an_unknown_first_level_field_of_every_kind_is_refused(api: Plane) -> None:
    for resource, version in served():
        body = smallest_object(resource, version)
        (body["spec"] if version.has_spec else body)["nosuchfield"] = 1
        status, message = try_to_create(api, body)
        assert status == 400, resource.kind
        assert 'unknown field "' + ("spec." if version.has_spec else "") + 'nosuchfield"' in message


def test_the_old_version_of_an_external_secret_is_not_served(api: Plane) -> None:
    body = {**external_secret(), "apiVersion": "external-secrets.io/v1beta1"}
    assert try_to_create(api, body)[0] == 404


WRONG = {
    "a required field below a list": external_secret(data=[{"secretKey": "KEY", "remoteRef": {}}]),
    "a required field of a list item": external_secret(data=[{"remoteRef": {"key": "k"}}]),
    "a word that is no choice": external_secret(refreshPolicy="Sometimes"),
    "a number for text": external_secret(refreshInterval=5),
    "a list for a map": external_secret(target=[]),
    "null in the place of what is required": external_secret(
        data=[{"secretKey": None, "remoteRef": {"key": "k"}}]
    ),
    "no provider": {**secret_store(), "spec": {}},
    "an incomplete provider": {**secret_store(), "spec": {"provider": {"pulumi": {"project": "p"}}}},
    "an unknown field": external_secret(dta=[]),
    "a choice of k3s": as_helm_chart_object("r", "keda", "keda", {}),
}
WRONG["a choice of k3s"]["spec"]["failurePolicy"] = "ignore"
WRONG["a choice of k3s"]["metadata"]["namespace"] = EXAMPLE_NAMESPACE


@pytest.mark.parametrize("what", WRONG)
def test_the_check_and_the_server_refuse_the_same(api: Plane, what: str) -> None:
    assert check_custom_object(WRONG[what])
    assert try_to_create(api, WRONG[what])[0] in {400, 422}


RIGHT = {
    "no spec, where none is demanded": {key: value for key, value in secret_store().items() if key != "spec"},
    "null in the place of what is optional": external_secret(target=None),
    "unknown fields further down": external_secret(target={"name": "x", "whatever": {"it": [1]}}),
    "an older version that is still served": {
        "apiVersion": "kueue.x-k8s.io/v1beta1",
        "kind": "ClusterQueue",
        "metadata": {"name": "old"},
        "spec": {"cohort": "all"},
    },
}


@pytest.mark.parametrize("what", RIGHT)
def test_the_check_and_the_server_accept_the_same(api: Plane, what: str) -> None:
    assert check_custom_object(RIGHT[what]) == []
    assert try_to_create(api, RIGHT[what]) == (200, "")


def test_what_stands_below_the_first_level_is_kept(api: Plane) -> None:
    body = secret_store()
    assert api.request("POST", resource_path(body), body, dryRun="All")["spec"] == body["spec"]


def test_scale_and_status_are_subresources(api: Plane) -> None:
    rollout = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "scaled", "namespace": EXAMPLE_NAMESPACE},
        "spec": {"replicas": 2},
        "status": {"HPAReplicas": 9},
    }
    path = f"{resource_path(rollout)}/scaled"
    assert "status" not in api.request("POST", resource_path(rollout), rollout)
    scale = api.request("GET", f"{path}/scale")
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (2, 0)
    api.request("PATCH", f"{path}/scale", {"spec": {"replicas": 5}}, content_type=MERGE)
    assert api.request("GET", path)["spec"]["replicas"] == 5
    api.request("DELETE", path)
