"""Stands in for rancher.io/local-path: makes a volume for a claim once the scheduler has chosen a node.

`python -m sophia_infra.control_plane.volumes KUBECONFIG` runs until SIGTERM. The PV controller of the
controller manager binds; this only makes the PersistentVolume that it waits for, and removes released ones
whose reclaim policy is Delete. No directory is made: no container would write into it. As with the real
provisioner, only ReadWriteOnce and ReadWriteOncePod are had, and a class that binds at once gets nothing.
Source: rancher/local-path-provisioner, `provisioner.go`; Kubernetes 1.36, storage volumes.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sophia_infra.control_plane.api_client import ApiClient
from sophia_infra.control_plane.errors import RequestRefused, Unreachable

__all__ = ["PROVISIONER", "build_volume", "find_released", "find_waiting", "run_once", "why_refused"]

PROVISIONER = "rancher.io/local-path"

INTERVAL_S = 0.25
"""Two lists per pass of a small cluster; a watch would save them and cost a reconnecting loop."""

_SELECTED_NODE = "volume.kubernetes.io/selected-node"
_STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
_SUPPORTED = frozenset({"ReadWriteOnce", "ReadWriteOncePod"})

Object = Mapping[str, Any]


def main(arguments: list[str]) -> int:
    """Run passes until SIGTERM; a pass that fails is printed and the next one tries again."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    told: set[str] = set()
    with ApiClient(Path(arguments[0])) as client:
        while not ended.wait(INTERVAL_S):
            try:
                run_once(client, told)
            except (RequestRefused, Unreachable) as error:
                print(f"{datetime.now(UTC).isoformat(timespec='seconds')} {error}", flush=True)
    return 0


def run_once(client: ApiClient, told: set[str]) -> None:
    """One pass. `told` holds the uids of claims whose refusal was said already."""
    claims = client.request("GET", "/api/v1/persistentvolumeclaims")["items"]
    waiting = find_waiting(claims)
    if waiting:
        listed = client.request("GET", "/apis/storage.k8s.io/v1/storageclasses")["items"]
        classes = {row["metadata"]["name"]: row for row in listed}
        for claim in waiting:
            _provision(client, claim, classes.get(claim["spec"].get("storageClassName", "")), told)
    volumes = client.request("GET", "/api/v1/persistentvolumes")["items"]
    for name in find_released(volumes):
        client.request("DELETE", f"/api/v1/persistentvolumes/{name}")


def find_waiting(claims: Iterable[Object]) -> list[Object]:
    """The claims that wait for us: our provisioner, a node chosen, no volume yet, not being deleted."""
    return [
        claim
        for claim in claims
        if (annotations := claim["metadata"].get("annotations", {})).get(_STORAGE_PROVISIONER) == PROVISIONER
        and annotations.get(_SELECTED_NODE)
        and not claim["spec"].get("volumeName")
        and not claim["metadata"].get("deletionTimestamp")
    ]


def why_refused(claim: Object) -> str | None:
    """Why no volume can be made for this claim, or None when one can."""
    modes = claim["spec"]["accessModes"]
    if not set(modes) <= _SUPPORTED:
        return f"{PROVISIONER} has ReadWriteOnce and ReadWriteOncePod, not {', '.join(modes)}"
    if claim["spec"].get("volumeMode", "Filesystem") != "Filesystem":
        return f"{PROVISIONER} has file systems, no block devices"
    return None


def build_volume(claim: Object, storage_class: Object) -> dict[str, Any]:
    """The PersistentVolume for `claim`, bound to it and to the node that was chosen."""
    metadata, spec = claim["metadata"], claim["spec"]
    name = f"pvc-{metadata['uid']}"
    chosen = metadata["annotations"][_SELECTED_NODE]
    on_that_node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [chosen]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {_PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "volumeMode": "Filesystem",
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "storageClassName": storage_class["metadata"]["name"],
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "hostPath": {
                "path": f"/var/lib/rancher/k3s/storage/{name}_{metadata['namespace']}_{metadata['name']}",
                "type": "DirectoryOrCreate",
            },
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [on_that_node]}]}},
        },
    }


def find_released(volumes: Iterable[Object]) -> list[str]:
    """Names of our volumes whose claim is gone and whose class says Delete."""
    return [
        volume["metadata"]["name"]
        for volume in volumes
        if volume["metadata"].get("annotations", {}).get(_PROVISIONED_BY) == PROVISIONER
        and volume.get("status", {}).get("phase") == "Released"
        and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
        and not volume["metadata"].get("deletionTimestamp")
    ]


def _provision(client: ApiClient, claim: Object, storage_class: Object | None, told: set[str]) -> None:
    if storage_class is None:
        return  # deleted meanwhile; the claim waits for it, as it does in a real cluster
    reason = why_refused(claim)
    if reason is None:
        try:
            client.request("POST", "/api/v1/persistentvolumes", build_volume(claim, storage_class))
        except RequestRefused as error:
            if error.reason != "AlreadyExists":  # made in the pass before, not bound yet
                raise
    elif claim["metadata"]["uid"] not in told:
        told.add(claim["metadata"]["uid"])
        _tell(client, claim, reason)


def _tell(client: ApiClient, claim: Object, reason: str) -> None:
    metadata = claim["metadata"]
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        },
        "type": "Warning",
        "reason": "ProvisioningFailed",
        "message": reason,
        "source": {"component": PROVISIONER},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
    client.request("POST", f"/api/v1/namespaces/{metadata['namespace']}/events", event)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
