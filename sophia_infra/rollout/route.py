"""Weights and state of one shift: both in one HTTPRoute, changed by one write.

A runner that dies leaves a route that says everything: another one reads where it stands and goes on. The
weights and the state cannot differ, because no write holds one without the other; of two runners only one
write is taken, because each names the version that it read.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from sophia_infra.rollout.cluster import Cluster, path_of
from sophia_infra.rollout.errors import RolloutRefused
from sophia_infra.rollout.shifting import Progress

__all__ = ["STATE_ANNOTATION", "WeightedRoute", "progress_of", "with_progress"]

STATE_ANNOTATION: Final = "sophia.internal/rollout-state"


def with_progress(body: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """The route with the state, and the weights that follow from it: old side first, new side second."""
    changed = deepcopy(dict(body))
    metadata = changed["metadata"]
    metadata["annotations"] = {**(metadata.get("annotations") or {}), STATE_ANNOTATION: progress.as_text()}
    for rule in changed["spec"]["rules"]:
        old, new = rule["backendRefs"]
        old["weight"], new["weight"] = 100 - progress.weight, progress.weight
    return changed


def progress_of(body: Mapping[str, Any]) -> Progress:
    """The state that a route carries. Raises RolloutRefused when it carries none of ours."""
    metadata = body["metadata"]
    try:
        return Progress.from_text((metadata.get("annotations") or {}).get(STATE_ANNOTATION, ""))
    except ValueError as error:
        raise RolloutRefused(
            f"HTTPRoute {metadata['name']}: its annotation {STATE_ANNOTATION} {error}.",
            next_step="`sophia canary abort` or `sophia cutover back` sends all traffic to the old side.",
        ) from None


class WeightedRoute:
    """The route of one shift in a cluster.

    Args:
        body: how it is made: an HTTPRoute whose rules each have two backends, the old side first.
    """

    def __init__(self, cluster: Cluster, body: Mapping[str, Any]) -> None:
        self._cluster = cluster
        self._body = dict(body)
        self._path = path_of(body)
        self._seen: dict[str, Any] | None = None

    def read(self) -> Progress | None:
        """The state; None when there is no route.

        Raises:
            RolloutRefused: something that is no state of ours stands there.
            ClusterSilent: see `cluster`.
        """
        self._seen = self._cluster.read(self._path)
        if self._seen is None:
            return None
        return progress_of(self._seen)

    def start(self, progress: Progress) -> None:
        """Make the route, or make it anew over one that has ended."""
        self._cluster.apply([with_progress(self._body, progress)])
        self._seen = self._cluster.read(self._path)

    def write(self, progress: Progress) -> None:
        """Change the route that was read last. Raises RolloutHeld when another process was faster."""
        if self._seen is None:
            raise ValueError("a route is read before it is written")
        self._seen = self._cluster.replace(with_progress(self._seen, progress))

    def delete(self) -> None:
        """Take the route away: the Ingress behind it serves the old side alone."""
        self._cluster.delete(self._path)
        self._seen = None
