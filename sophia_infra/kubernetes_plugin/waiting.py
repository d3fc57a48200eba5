"""Waits until an object is ready, or gone. Ends at once when the engine asks to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from sophia_infra.kubernetes_plugin.cluster import Cluster
from sophia_infra.kubernetes_plugin.discovery import Kind
from sophia_infra.kubernetes_plugin.errors import ApiRefused
from sophia_infra.kubernetes_plugin.explain import explain
from sophia_infra.kubernetes_plugin.readiness import condition, is_awaited, progress_of
from sophia_infra.kubernetes_plugin.tokens import SKIP_AWAIT, TIMEOUT_SECONDS, annotation, is_set

DEFAULT_TIMEOUT_S = 600.0
"""Ten minutes, the time that the official plugin gives most kinds."""
FIRST_POLL_S = 0.1
LONGEST_POLL_S = 1.0
SAY_EVERY_S = 10.0
"""How often the engine's display hears what is pending, reasons included."""

_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_STORAGE_CLASSES = Kind("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False)


class Unready(Exception):
    """The wait ended before the object was ready: `reasons` for the user, `live` as last seen."""

    def __init__(self, reasons: list[str], live: dict[str, Any]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons
        self.live = live


def timeout_of(body: Mapping[str, Any], requested_s: float) -> float:
    """`customTimeouts` of the resource, else the annotation, else DEFAULT_TIMEOUT_S; in seconds."""
    text = annotation(body, TIMEOUT_SECONDS) or ""
    if requested_s > 0:
        return requested_s
    return float(text) if text.isdigit() else DEFAULT_TIMEOUT_S


class Waiter:
    """Polls single objects. `clock` is monotonic seconds; `cancelled` is also the sleep between polls."""

    def __init__(
        self,
        cluster: Cluster,
        cancelled: threading.Event,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._cancelled = cancelled
        self._clock = clock

    def until_ready(
        self, kind: Kind, live: dict[str, Any], timeout_s: float, say: Callable[[str], None]
    ) -> dict[str, Any]:
        """Return the object once it is ready; at once for kinds that are not awaited.

        Raises:
            Unready: it failed, or `timeout_s` passed, or the engine asked to stop.
        """
        if is_set(live, SKIP_AWAIT) or not is_awaited(live) or self._binds_later(live):
            return live
        metadata = live["metadata"]
        started, said, pause_s = self._clock(), self._clock(), FIRST_POLL_S
        while True:
            progress = progress_of(live)
            if progress.ready:
                return live
            if progress.failed:
                raise Unready([progress.pending, *explain(self._cluster, live)], live)
            waited_s = self._clock() - started
            if waited_s >= timeout_s:
                message = f"not ready after {timeout_s:g} s: {progress.pending}"
                raise Unready([message, *explain(self._cluster, live)], live)
            if self._clock() - said >= SAY_EVERY_S:
                said = self._clock()
                say("; ".join(["waiting", progress.pending, *explain(self._cluster, live)[:1]]))
            if self._cancelled.wait(min(pause_s, timeout_s - waited_s)):
                raise Unready([f"the run was stopped while waiting: {progress.pending}"], live)
            pause_s = min(pause_s * 1.5, LONGEST_POLL_S)
            seen = self._cluster.get(kind, metadata.get("namespace"), metadata["name"])
            if seen is None and "ttlSecondsAfterFinished" in (live.get("spec") or {}):
                return live  # a job that takes itself away when it is done
            if seen is None:
                raise Unready(["it was deleted by somebody else while it was waited for"], live)
            live = seen

    def until_gone(
        self, kind: Kind, deleted: Mapping[str, Any], timeout_s: float, say: Callable[[str], None]
    ) -> dict[str, Any] | None:
        """Return None once the object is gone, or what is left of it when `timeout_s` passed.

        An object of the same name with another uid is somebody's new one: ours is gone.

        Raises:
            Unready: the engine asked to stop.
        """
        metadata = deleted["metadata"]
        started, said, pause_s = self._clock(), self._clock(), FIRST_POLL_S
        while True:
            left = self._cluster.get(kind, metadata.get("namespace"), metadata["name"])
            if left is None or left["metadata"]["uid"] != metadata.get("uid", left["metadata"]["uid"]):
                return None
            if self._clock() - started >= timeout_s:
                return left
            if self._clock() - said >= SAY_EVERY_S:
                said = self._clock()
                say(f"waiting until it is gone: {why_still_there(left)}")
            if self._cancelled.wait(pause_s):
                raise Unready(
                    [f"the run was stopped while it was being deleted: {why_still_there(left)}"], left
                )
            pause_s = min(pause_s * 1.5, LONGEST_POLL_S)

    def _binds_later(self, live: Mapping[str, Any]) -> bool:
        """Whether a claim waits for its first pod, so that waiting for it would hold up that very pod."""
        if live.get("kind") != "PersistentVolumeClaim":
            return False
        name = (live.get("spec") or {}).get("storageClassName")
        try:
            classes = self._cluster.find(_STORAGE_CLASSES, None)
        except ApiRefused:
            return False
        for row in classes:
            is_default = annotation(row, _DEFAULT_CLASS) == "true"
            if row["metadata"]["name"] == name or (name is None and is_default):
                return bool(row.get("volumeBindingMode") == "WaitForFirstConsumer")
        return False


def why_still_there(left: Mapping[str, Any]) -> str:
    """Finalizers of an object that is being deleted, and what a namespace says about what it still holds."""
    finalizers = [
        *(left["metadata"].get("finalizers") or ()),
        *((left.get("spec") or {}).get("finalizers") or ()),
    ]
    remarks = [
        str(row["message"])
        for type_ in (
            "NamespaceContentRemaining",
            "NamespaceFinalizersRemaining",
            "NamespaceDeletionContentFailure",
        )
        if (row := condition(left, type_)).get("status") == "True" and row.get("message")
    ]
    held = f"finalizers {', '.join(finalizers)}" if finalizers else "no finalizers"
    return "; ".join([held, *remarks])
