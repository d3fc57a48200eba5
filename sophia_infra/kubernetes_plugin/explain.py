"""Says why something is not ready: conditions of its pods, what their containers wait for, warning events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sophia_infra.kubernetes_plugin.cluster import Cluster
from sophia_infra.kubernetes_plugin.discovery import Kind
from sophia_infra.kubernetes_plugin.errors import PluginError
from sophia_infra.kubernetes_plugin.readiness import condition

MOST_REASONS = 5
"""More says nothing new: replicas of one workload fail alike."""

_PODS = Kind("v1", "Pod", "pods", namespaced=True)
_EVENTS = Kind("v1", "Event", "events", namespaced=True)
_PATIENT = frozenset({"ContainerCreating", "PodInitializing"})


def explain(cluster: Cluster, live: Mapping[str, Any]) -> list[str]:
    """Sentences about what is in the way of `live`, at most MOST_REASONS, each once.

    What cannot be read (no right to list pods or events) is left out.
    """
    reasons: dict[str, None] = {}
    try:
        pods = _pods_of(cluster, live)
        for pod in pods:
            reasons.update(dict.fromkeys(_pod_reasons(pod)))
        for named in (live, *pods[:MOST_REASONS]):
            reasons.update(dict.fromkeys(_events_of(cluster, named)))
    except PluginError:
        return list(reasons)[:MOST_REASONS]
    return list(reasons)[:MOST_REASONS]


def _pods_of(cluster: Cluster, live: Mapping[str, Any]) -> list[dict[str, Any]]:
    namespace = live["metadata"].get("namespace")
    if live.get("kind") == "Pod":
        return [dict(live)]
    selector = (live.get("spec") or {}).get("selector")
    if not namespace or not isinstance(selector, dict) or not selector.get("matchLabels"):
        return []
    labels = ",".join(f"{key}={value}" for key, value in selector["matchLabels"].items())
    return cluster.find(_PODS, namespace, labels=labels)


def _pod_reasons(pod: Mapping[str, Any]) -> Iterator[str]:
    name = pod["metadata"]["name"]
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("message"):
        yield f"pod {name}: {scheduled['message']}"
    status = pod.get("status") or {}
    for row in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        state = row.get("state") or {}
        waiting = state.get("waiting") or {}
        ended = state.get("terminated") or (row.get("lastState") or {}).get("terminated") or {}
        if waiting.get("reason") and waiting["reason"] not in _PATIENT:
            message = f": {waiting['message']}" if waiting.get("message") else ""
            yield f"pod {name}, container {row['name']}: {waiting['reason']}{message}"
        if ended.get("exitCode"):
            why = ended.get("message") or ended.get("reason") or "no message"
            yield f"pod {name}, container {row['name']} ended with code {ended['exitCode']}: {why}"
    ready = condition(pod, "Ready")
    if ready.get("status") == "False" and status.get("phase") == "Running" and ready.get("message"):
        yield f"pod {name}: {ready['message']}"


def _events_of(cluster: Cluster, live: Mapping[str, Any]) -> Iterator[str]:
    metadata = live["metadata"]
    if not metadata.get("namespace"):
        return
    fields = f"involvedObject.uid={metadata['uid']},type=Warning"
    for event in cluster.find(_EVENTS, metadata["namespace"], fields=fields):
        message = str(event.get("message") or "").strip()
        if message and event.get("reason") != "FailedScheduling":  # the pod's condition says it better
            yield f"{str(live.get('kind', '')).lower()} {metadata['name']}: {event.get('reason')}: {message}"
