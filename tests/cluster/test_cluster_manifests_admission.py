"""Every object of stack `local` before the real API server: admission, quota, policies, scheduling.

The module has a control plane of its own: the objects are cluster-wide and bear the stack's real names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from sophia_infra.charts import custom_resource_definitions
from tests.cluster.manifest_probes import (
    NAMESPACE,
    all_scheduled,
    apply,
    has_pods,
    pod,
    pods,
    refusal,
    versions,
)
from tests.cluster.plane import Plane, make_home, running_plane
from tests.unit.manifests.sites import Site, sites, with_digests


@pytest.fixture(scope="module")
def site() -> Site:
    """With a digest for every image, so that no policy of ours has a reason to warn."""
    (only,) = sites("local")
    return with_digests(only)


@pytest.fixture(scope="module")
def own_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """Three seconds to start; see the module's docstring."""
    with running_plane(make_home(tmp_path_factory.mktemp("manifests-plane"))) as plane:
        definitions = [
            body
            for group in ("external-secrets.io", "kueue.x-k8s.io", "keda.sh", "monitoring.coreos.com")
            for body in custom_resource_definitions(group)
        ]
        apply(plane, definitions)
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        yield plane


@pytest.fixture(scope="module")
def applied(own_plane: Plane, site: Site) -> Plane:
    """The plane with everything of both phases but the charts themselves."""
    for item in site.manifests:
        if item.is_patch:
            manager = item.metadata["annotations"]["pulumi.com/patchFieldManager"]
            apply(own_plane, [item.body], manager)
    apply(own_plane, [item.body for item in site.manifests if not item.is_patch])
    return own_plane


def test_the_server_takes_every_object_and_a_second_time_changes_none(applied: Plane, site: Site) -> None:
    bodies = [item.body for item in site.manifests if not item.is_patch]
    before = versions(applied, bodies)
    words = apply(applied, bodies)
    assert len(words.splitlines()) == len(bodies)
    assert all(line.endswith("serverside-applied") for line in words.splitlines())
    after = versions(applied, bodies)
    assert [key for key in before if before[key] != after[key]] == []


def test_the_server_takes_the_scaled_objects_of_a_stack_with_keda(applied: Plane) -> None:
    (keda,) = sites("production-keda")
    bodies = keda.of("ScaledObject")
    assert {body["metadata"]["name"] for body in bodies} >= {"lambda-inference", "inference-gateway"}
    words = apply(applied, bodies)
    assert words.count("serverside-applied") == len(bodies)


def test_our_pods_pass_admission_and_gpu_pods_land_on_their_model(applied: Plane, site: Site) -> None:
    models = {node.name: (node.gpu_model or "").lower() for node in site.cluster.nodes}
    for name in ("mcp-ai-memory", "sophia-frontend"):
        applied.wait_for(partial(all_scheduled, applied, name, 2))
    for row in pods(applied, NAMESPACE, "mcp-ai-memory"):
        assert models[row["spec"]["nodeName"]] == "a6000"
    for row in pods(applied, NAMESPACE, "sophia-frontend"):
        assert models[row["spec"]["nodeName"]] != "gh200", "its image exists for amd64 only"
    events = applied.request("GET", f"/api/v1/namespaces/{NAMESPACE}/events")["items"]
    refused = [row["message"] for row in events if row["reason"] == "FailedCreate"]
    assert refused == []


def test_every_deployment_gets_the_pods_it_asks_for(applied: Plane, site: Site) -> None:
    """A ReplicaSet whose pods are refused has none: quota, Pod Security and our policies together."""
    for body in site.of("Deployment"):
        name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
        wanted = body["spec"].get("replicas", 1)
        applied.wait_for(partial(has_pods, applied, namespace, name, wanted))


def test_a_pod_over_the_gpu_quota_is_refused_in_the_servers_words(applied: Plane) -> None:
    body = pod(gpus=5, nodeSelector={"sophia.internal/gpu": "a100"})
    words = refusal(applied, body)
    assert "exceeded quota: gpu-quota" in words
    assert "requested: requests.nvidia.com/gpu=5" in words
    assert "limited: requests.nvidia.com/gpu=3" in words


def test_a_namespace_without_gpu_services_grants_none(applied: Plane) -> None:
    body = pod(gpus=1, nodeSelector={"sophia.internal/gpu": "a10"})
    body["metadata"]["namespace"] = "sophia-ai"
    assert "limited: requests.nvidia.com/gpu=0" in refusal(applied, body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (pod("ghcr.io/sophia/a:latest"), "tagged latest or not at all"),
        (pod("ghcr.io/sophia/a"), "tagged latest or not at all"),
        (pod("localhost:5000/a"), "tagged latest or not at all"),
        (pod(gpus=1), "has to name its model: nodeSelector sophia.internal/gpu"),
        (pod(hostNetwork=True), "violates PodSecurity"),
    ],
)
def test_a_pod_against_the_rules_is_refused(applied: Plane, body: dict[str, Any], words: str) -> None:
    assert words in refusal(applied, body)


def test_a_deployment_is_refused_at_once_not_by_pods_that_never_come(applied: Plane) -> None:
    template = pod("ghcr.io/sophia/a:latest")
    labels = {"app": "late"}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "late", "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": template["spec"]},
        },
    }
    assert "tagged latest or not at all" in refusal(applied, body)
    job = {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": {"spec": template["spec"]}}}}
    job["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] = "Never"  # type: ignore[index]
    metadata = {"name": "late", "namespace": NAMESPACE}
    body = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": job}
    assert "tagged latest or not at all" in refusal(applied, body)


def test_a_queued_job_gets_its_selector_from_the_queue(applied: Plane) -> None:
    template = pod(gpus=1, restartPolicy="Never")["spec"]
    metadata: dict[str, Any] = {"name": "train", "namespace": "sophia-training"}
    body = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {"suspend": True, "template": {"spec": template}},
    }
    assert "has to name its model" in refusal(applied, body)
    metadata["labels"] = {"kueue.x-k8s.io/queue-name": "training"}
    assert "created" in refusal(applied, body)


def test_an_image_without_digest_is_let_in_quietly_or_refused(applied: Plane, site: Site) -> None:
    image = "ghcr.io/sophia/a:1"
    words = applied.kubectl(
        "create",
        "--dry-run=server",
        "--warnings-as-errors",
        "-f",
        "-",
        stdin=json.dumps(pod(image)),
        check=False,
    )
    assert "created" in words
    assert "image without digest" not in words
    binding = site.one("ValidatingAdmissionPolicyBinding", "sophia-image-digest")
    strict = {**binding, "spec": {**binding["spec"], "validationActions": ["Deny"]}}
    apply(applied, [strict])
    try:
        applied.wait_for(lambda: "image without digest" in refusal(applied, pod(image)))
        assert "created" in applied.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod()))
    finally:
        apply(applied, [binding])


def test_other_namespaces_are_not_ours_to_judge(applied: Plane) -> None:
    body = pod("ghcr.io/sophia/a:latest")
    body["metadata"]["namespace"] = "default"
    path = "/api/v1/namespaces/default/serviceaccounts"
    applied.wait_for(lambda: applied.request("GET", path)["items"])
    words = applied.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(body))
    assert "created" in words


def test_the_policies_have_no_type_errors(applied: Plane) -> None:
    """The server checks CEL against the kinds it matches, and notes what it finds in the status."""
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"

    def checked() -> list[dict[str, Any]]:
        found = applied.request("GET", path)["items"]
        return list(found) if all("observedGeneration" in row.get("status", {}) for row in found) else []

    for row in applied.wait_for(checked):
        assert row["status"].get("typeChecking", {}).get("expressionWarnings", []) == [], row["metadata"][
            "name"
        ]


def test_deleting_it_all_leaves_nothing(own_plane: Plane, applied: Plane, site: Site) -> None:
    """Last in the file: it empties the plane."""
    bodies = [item.body for item in reversed(site.manifests) if not item.is_patch]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})
    own_plane.kubectl("delete", "--wait=false", "--ignore-not-found", "-f", "-", stdin=text)
    own_plane.wait_for(
        lambda: (
            not (
                {body["metadata"]["name"] for body in site.of("Namespace")}
                & {row["metadata"]["name"] for row in own_plane.request("GET", "/api/v1/namespaces")["items"]}
            )
        ),
        60,
    )
    left = own_plane.kubectl(
        "get", "all,pvc,networkpolicy,ingress,pdb,hpa,quota", "-A", "-l", "app.kubernetes.io/part-of=sophia"
    )
    assert left == ""
