"""What a cluster holds, by discovery: the independent judge of "deletion leaves nothing".

Take `list_everything` before and after; `leftovers` names what is new and not of the cluster's own making.
It knows nothing of our manifests and asks the API server for every kind that can be listed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from sophia_infra.control_plane.errors import RequestRefused
from tests.cluster.plane import WAIT_S, Plane

Entry = tuple[str, str, str]
"""`group/Kind` (`/Kind` of the core group), namespace ("" for the whole cluster), name."""

PASSING = frozenset({"/Event", "events.k8s.io/Event", "/ComponentStatus", "coordination.k8s.io/Lease"})
"""Kinds that come and go by themselves: events expire, statuses are computed, nodes renew their leases."""

OF_EVERY_NAMESPACE = frozenset({("/ConfigMap", "kube-root-ca.crt"), ("/ServiceAccount", "default")})
"""Kubernetes' own controllers make these in every namespace and take them away with it."""

POLL_S = 0.25


def list_everything(plane: Plane) -> set[Entry]:
    """Every object of every kind that the server can list, `PASSING` kinds left out; each object once."""
    return set(_entries(plane))


def leftovers(before: set[Entry], after: set[Entry]) -> set[Entry]:
    """What is in `after` and was not in `before`, without what comes with every namespace."""
    return {entry for entry in after - before if (entry[0], entry[2]) not in OF_EVERY_NAMESPACE}


def settled_leftovers(plane: Plane, before: set[Entry], *, timeout_s: float = WAIT_S) -> set[Entry]:
    """`leftovers` once there are none, or what is still there after `timeout_s` seconds.

    The server removes some things after the answer: registrations of deleted groups, addresses of deleted
    services, objects with finalizers, whatever is owned by what was deleted.
    """
    deadline = time.monotonic() + timeout_s
    while (left := leftovers(before, list_everything(plane))) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return left


def _entries(plane: Plane) -> Iterator[Entry]:
    yield from _objects_of_group(plane, "", ["/api/v1"])
    for group in plane.request("GET", "/apis")["groups"]:
        versions = [group["preferredVersion"], *group["versions"]]  # an object shows in each served version
        paths = dict.fromkeys(f"/apis/{version['groupVersion']}" for version in versions)
        yield from _objects_of_group(plane, group["name"], list(paths))


def _objects_of_group(plane: Plane, group: str, paths: list[str]) -> Iterator[Entry]:
    seen: set[str] = set()
    for path in paths:
        for resource in _answer(plane, path).get("resources") or ():
            kind = f"{group}/{resource['kind']}"
            if resource["name"] in seen or "list" not in resource["verbs"] or kind in PASSING:
                continue
            seen.add(resource["name"])
            for item in _answer(plane, f"{path}/{resource['name']}").get("items") or ():
                yield kind, item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _answer(plane: Plane, path: str) -> dict[str, Any]:
    """The server's answer; empty for a kind that went away meanwhile; asked again while storage starts."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            answer: dict[str, Any] = plane.request("GET", path)
        except RequestRefused as refused:
            if refused.status == 404:
                return {}
            if refused.status not in {429, 503} or time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)
        else:
            return answer
