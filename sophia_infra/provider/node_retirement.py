"""Nodes of a cluster whose machines go: emptied as far as budgets allow, then deleted.

The engine ends machines after all updates, so this happens before their machines end, and the pods are
served elsewhere by then. What is left after the limit goes with the machine: that is billed, and no
disruption budget may keep it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol

from sophia_infra.provider.errors import ClusterNotReady, Stopped
from sophia_infra.provider.kubernetes_api import Answer, ApiAccess, Verb
from sophia_infra.provider.session import Session

__all__ = [
    "INSTANCE_LABEL",
    "NODES_PATH",
    "Ask",
    "NodeRetirement",
    "Send",
    "name_of",
    "ready_status",
    "retired_nodes",
]

NODES_PATH: Final = "/api/v1/nodes"
INSTANCE_LABEL: Final = "sophia.internal/instance"
"""Every node that joined by a boot text of ours has it: the name of its machine in the fleet."""

_GONE_WITHIN_S = 60.0
"""After the limit, for the API to take the deletion."""
_NAMED = 5
_MIRROR_ANNOTATION = "kubernetes.io/config.mirror"

Ask = Callable[[ApiAccess, str], Answer]


class Send(Protocol):
    """`kubernetes_api.send_api`."""

    def __call__(
        self, access: ApiAccess, verb: Verb, path: str, body: Mapping[str, Any] | None = None, /
    ) -> Answer: ...


class NodeRetirement:
    """Retires nodes of one cluster. May be called again at any time: it goes on where the last call ended.

    Args:
        cluster: its name, for messages.
        limit_s: how long pods are asked to move, all nodes together.
    """

    def __init__(
        self, session: Session, access: ApiAccess, cluster: str, limit_s: float, ask: Ask, send: Send
    ) -> None:
        self._session = session
        self._access = access
        self._cluster = cluster
        self._limit_s = limit_s
        self._ask = ask
        self._send = send
        self._why: dict[str, str] = {}  # node -> the last refusal of an eviction
        self._said = ""

    def run(self, wanted: Collection[str]) -> None:
        """Retire every node of the fleet whose name is not in `wanted`.

        Raises:
            Stopped: the user asked to stop; cordoned nodes stay so.
            ClusterNotReady: the API would not let a node go, or did not answer, until after the limit.
        """
        clock = self._session.clock
        started_s = clock.now()
        while True:
            answer = self._ask(self._access, NODES_PATH)
            listed = answer.items()
            waited_s = clock.now() - started_s
            going = retired_nodes(listed or (), wanted)
            for node in going:
                self._cordon(node)
            steps = {name_of(node): self._retire(node, is_over=waited_s >= self._limit_s) for node in going}
            left = {name: pods for name, pods in steps.items() if pods is not None}
            if listed is not None and not left:
                return
            if waited_s >= self._limit_s + _GONE_WITHIN_S:
                raise self._refused(left, answer)
            self._say_progress(left, answer)
            if self._session.stop_requested():
                raise Stopped(
                    f"Stopped on request while nodes of cluster {self._cluster} were emptied; their machines "
                    "run on, billed.",
                    next_step="run the same command again to go on.",
                )
            clock.sleep(self._session.waits.poll_s)

    def _cordon(self, node: Mapping[str, Any]) -> None:
        if not node.get("spec", {}).get("unschedulable"):
            self._send(self._access, "PATCH", _path(node), {"spec": {"unschedulable": True}})

    def _retire(self, node: Mapping[str, Any], *, is_over: bool) -> list[str] | None:
        """One step: ask pods to move, or delete the node. None: it is gone; else the pods that it waits for.

        Nothing that runs on a node that is not ready answers any more, so there is nothing to wait for.
        """
        name = name_of(node)
        if ready_status(node) == "True":
            listed = self._ask(self._access, f"/api/v1/pods?fieldSelector=spec.nodeName%3D{name}").items()
            moving = [pod for pod in listed or () if _has_to_move(pod)]
            if not is_over and (moving or listed is None):
                self._evict(name, moving)
                return [_title(pod) for pod in moving]
            if moving:
                self._say_what_stays(name, [_title(pod) for pod in moving])
        answer = self._send(self._access, "DELETE", _path(node))
        return None if answer.kind in ("ok", "absent") else []

    def _evict(self, node: str, pods: Sequence[Mapping[str, Any]]) -> None:
        self._why.pop(node, None)
        for pod in pods:
            metadata = pod["metadata"]
            if metadata.get("deletionTimestamp"):
                continue
            body = {
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
                # A StatefulSet makes the next pod under the same name, on another node.
                "deleteOptions": {"preconditions": {"uid": metadata["uid"]}},
            }
            path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/eviction"
            answer = self._send(self._access, "POST", path, body)
            if answer.kind not in ("ok", "absent"):
                self._why[node] = answer.words

    def _say_what_stays(self, node: str, pods: Sequence[str]) -> None:
        why = f" ({self._why[node]})" if node in self._why else ""
        line = (
            f"{self._cluster}: {_counted(pods)} did not move off {node} within {self._limit_s / 60:g} min: "
            f"{_listed(pods)}{why}; the node goes all the same, because its machine is billed."
        )
        if line != self._said:
            self._session.say(line)
            self._said = line

    def _say_progress(self, left: Mapping[str, Sequence[str]], answer: Answer) -> None:
        if answer.kind != "ok":
            line = f"{self._cluster}: waiting for its API ({answer.words})"
        else:
            waiting = (
                f"{_counted(pods)} to move off {name}" if pods else f"{name} to be deleted"
                for name, pods in left.items()
            )
            line = f"{self._cluster}: {', '.join(waiting)}"
        if line != self._said:
            self._session.say(line)
            self._said = line

    def _refused(self, left: Collection[str], answer: Answer) -> ClusterNotReady:
        what = f"did not let {', '.join(left)} go" if left else f"does not answer: {answer.words}"
        minutes = (self._limit_s + _GONE_WITHIN_S) / 60
        return ClusterNotReady(
            f"The API of the cluster {self._cluster} at {self._access.url} {what} within {minutes:.0f} min. "
            "No machine was ended; all are billed.",
            next_step="`kubectl get nodes` shows what the cluster knows; then run the same command again.",
        )


def retired_nodes(listed: Collection[Mapping[str, Any]], wanted: Collection[str]) -> list[Mapping[str, Any]]:
    """The nodes that were machines of the fleet and are none of `wanted`, by name."""
    ours = (node for node in listed if INSTANCE_LABEL in (node["metadata"].get("labels") or {}))
    return sorted((node for node in ours if name_of(node) not in wanted), key=name_of)


def ready_status(node: Mapping[str, Any]) -> str:
    """Of the condition Ready: "True", "False", or "Unknown" when nothing was heard of the machine."""
    conditions = node.get("status", {}).get("conditions") or ()
    return next((str(row.get("status")) for row in conditions if row.get("type") == "Ready"), "False")


def name_of(node: Mapping[str, Any]) -> str:
    """`metadata.name`."""
    return str(node["metadata"]["name"])


def _path(node: Mapping[str, Any]) -> str:
    return f"{NODES_PATH}/{name_of(node)}"


def _has_to_move(pod: Mapping[str, Any]) -> bool:
    """Whether something else has to run it: not a node's own pod, and not one that has finished."""
    metadata = pod["metadata"]
    if _MIRROR_ANNOTATION in (metadata.get("annotations") or {}):
        return False
    if any(owner.get("kind") == "DaemonSet" for owner in metadata.get("ownerReferences") or ()):
        return False
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def _title(pod: Mapping[str, Any]) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _counted(pods: Sequence[str]) -> str:
    return "1 pod" if len(pods) == 1 else f"{len(pods)} pods"


def _listed(pods: Sequence[str]) -> str:
    more = f" and {len(pods) - _NAMED} more" if len(pods) > _NAMED else ""
    return ", ".join(pods[:_NAMED]) + more
