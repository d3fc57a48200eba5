from __future__ import annotations

from typing import Any

import pytest

from sophia_infra.control_plane.api_client import JSON, ApiClient
from sophia_infra.control_plane.errors import RequestRefused
from sophia_infra.control_plane.volumes import (
    PROVISIONER,
    build_volume,
    find_released,
    find_waiting,
    run_once,
    why_refused,
)

CLASS = {"metadata": {"name": "sophia-local"}, "reclaimPolicy": "Retain"}


def claim(**changes: Any) -> dict[str, Any]:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "sophia-local",
        "resources": {"requests": {"storage": "10Gi"}},
    }
    annotations = {
        "volume.kubernetes.io/storage-provisioner": PROVISIONER,
        "volume.kubernetes.io/selected-node": "sophia-production",
    }
    metadata = {"name": "data-0", "namespace": "sophia", "uid": "u1", "annotations": annotations}
    return {"metadata": {**metadata, **changes.pop("metadata", {})}, "spec": {**spec, **changes}}


def volume(**changes: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "pvc-u1", "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
        "spec": {"persistentVolumeReclaimPolicy": "Delete"},
        "status": {"phase": "Released"},
        **changes,
    }


class FakeServer(ApiClient):
    """Answers the lists it was given, and keeps what is sent."""

    def __init__(
        self, claims: list[Any], classes: list[Any], volumes: list[Any], *, exists: bool = False
    ) -> None:
        self.lists = {
            "/api/v1/persistentvolumeclaims": claims,
            "/apis/storage.k8s.io/v1/storageclasses": classes,
            "/api/v1/persistentvolumes": volumes,
        }
        self.exists = exists
        self.sent: list[tuple[str, str]] = []

    def request(
        self, method: str, path: str, body: Any = None, *, content_type: str = JSON, **query: str
    ) -> Any:
        if method == "GET":
            return {"items": self.lists[path]}
        self.sent.append((method, path))
        if self.exists:
            raise RequestRefused("exists", status=409, reason="AlreadyExists")
        return {}


def test_a_volume_fits_its_claim_and_the_chosen_node() -> None:
    built = build_volume(claim(), CLASS)
    spec = built["spec"]
    assert built["metadata"]["name"] == "pvc-u1"
    assert spec["capacity"] == {"storage": "10Gi"}
    assert spec["persistentVolumeReclaimPolicy"] == "Retain"
    assert spec["storageClassName"] == "sophia-local"
    assert spec["claimRef"] == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": "sophia",
        "name": "data-0",
        "uid": "u1",
    }
    (term,) = spec["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [
        {"key": "kubernetes.io/hostname", "operator": "In", "values": ["sophia-production"]}
    ]


@pytest.mark.parametrize(
    "other",
    [
        claim(volumeName="pvc-u1"),
        claim(metadata={"deletionTimestamp": "2026-11-24T00:00:00Z"}),
        claim(metadata={"annotations": {"volume.kubernetes.io/storage-provisioner": PROVISIONER}}),
        claim(
            metadata={
                "annotations": {
                    "volume.kubernetes.io/storage-provisioner": "ebs.csi.aws.com",
                    "volume.kubernetes.io/selected-node": "a",
                }
            }
        ),
        claim(metadata={"annotations": {}}),
    ],
)
def test_only_a_claim_of_ours_with_a_node_and_without_a_volume_waits(other: dict[str, Any]) -> None:
    waiting = claim()
    assert find_waiting([other, waiting]) == [waiting]


def test_a_claim_without_any_annotation_does_not_wait() -> None:
    bare = {"metadata": {"name": "a"}, "spec": {}}
    assert find_waiting([bare]) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"accessModes": ["ReadWriteOncePod"]}, None),
        ({"accessModes": ["ReadWriteOnce", "ReadWriteMany"]}, "not ReadWriteOnce, ReadWriteMany"),
        ({"volumeMode": "Block"}, "no block devices"),
    ],
)
def test_what_local_path_cannot_do_is_refused(changes: dict[str, Any], reason: str | None) -> None:
    said = why_refused(claim(**changes))
    assert said is None if reason is None else reason in str(said)


@pytest.mark.parametrize(
    ("row", "gone"),
    [
        (volume(), ["pvc-u1"]),
        (volume(status={"phase": "Bound"}), []),
        (volume(spec={"persistentVolumeReclaimPolicy": "Retain"}), []),
        (volume(metadata={"name": "nfs"}), []),
    ],
)
def test_only_a_released_volume_of_ours_that_may_go_goes(row: dict[str, Any], gone: list[str]) -> None:
    assert find_released([row]) == gone


def test_a_pass_makes_what_is_wanted_and_removes_what_is_released() -> None:
    server = FakeServer([claim()], [CLASS], [volume()])
    run_once(server, set())
    assert server.sent == [
        ("POST", "/api/v1/persistentvolumes"),
        ("DELETE", "/api/v1/persistentvolumes/pvc-u1"),
    ]


def test_a_volume_that_was_made_in_the_pass_before_is_no_failure() -> None:
    run_once(FakeServer([claim()], [CLASS], [], exists=True), set())


def test_a_claim_whose_class_is_gone_waits_for_it() -> None:
    server = FakeServer([claim()], [], [])
    run_once(server, set())
    assert server.sent == []


def test_a_refusal_is_said_once_by_an_event_of_the_claim() -> None:
    server = FakeServer([claim(accessModes=["ReadWriteMany"])], [CLASS], [])
    told: set[str] = set()
    run_once(server, told)
    run_once(server, told)
    assert server.sent == [("POST", "/api/v1/namespaces/sophia/events")]
