"""Reads, applies and deletes single objects on one API server."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from sophia_infra.kubernetes_plugin.connection import Connection
from sophia_infra.kubernetes_plugin.discovery import Discovery, Kind
from sophia_infra.kubernetes_plugin.errors import ApiRefused, Cancelled

SETTLES_WITHIN_S = 15.0
"""How long an answer that only says "not yet" is asked again: see `_NOT_YET`."""
_SETTLE_POLL_S = 0.5

_NOT_YET = (
    "status unknown for quota",
    "error looking up service account",
    "failed calling webhook",
    "the server could not find the requested resource",
    "unable to create new content in namespace",
    "no relationship found",
)
"""Parts of refusals that pass by themselves just after a quota, namespace, webhook or CRD was created."""

Warn = Callable[[str], None]


class Cluster:
    """Objects on one server, by kind, namespace and name. Raises what `Connection.request` raises."""

    def __init__(
        self,
        connection: Connection,
        discovery: Discovery,
        *,
        clock: Callable[[], float] = time.monotonic,
        cancelled: threading.Event | None = None,
    ) -> None:
        self.connection = connection
        self.discovery = discovery
        self._clock = clock
        self._cancelled = cancelled or threading.Event()

    def get(self, kind: Kind, namespace: str | None, name: str) -> dict[str, Any] | None:
        """The object as it is now, None when there is none."""
        try:
            return self.connection.request("GET", _path(kind, namespace, name))
        except ApiRefused as refused:
            if refused.is_gone:
                return None
            raise

    def find(
        self,
        kind: Kind,
        namespace: str | None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> list[dict[str, Any]]:
        """Objects of a kind that fit both selectors, at most 100: enough to explain something by."""
        query = {"limit": "100"}
        if labels:
            query["labelSelector"] = labels
        if fields:
            query["fieldSelector"] = fields
        return list(self.connection.request("GET", kind.collection(namespace), query=query)["items"])

    def apply(
        self,
        kind: Kind,
        body: Mapping[str, Any],
        *,
        manager: str,
        force: bool,
        dry_run: bool = False,
        settle_s: float = 0.0,
        on_warning: Warn | None = None,
    ) -> dict[str, Any]:
        """Server-side apply: make the object or set our fields of it; fields we had set and leave out go.

        Args:
            force: take fields that other managers have set otherwise; False makes that a Conflict.
            dry_run: answer as if, and change nothing.
            settle_s: how long to try again when a neighbour created just now is not in effect yet.
        """
        query = {"fieldManager": manager, "force": "true" if force else "false"}
        if dry_run:
            query["dryRun"] = "All"
        metadata = body["metadata"]
        path = _path(kind, metadata.get("namespace"), metadata["name"])
        sent = wire_form(body)
        deadline = self._clock() + settle_s
        while True:
            try:
                return self.connection.request(
                    "PATCH", path, query=query, body=sent, apply=True, on_warning=on_warning
                )
            except ApiRefused as refused:
                if self._clock() >= deadline or not is_not_yet(refused):
                    raise
                if self._cancelled.wait(_SETTLE_POLL_S):
                    raise Cancelled(f"Stopped while the server refused for now: {refused.message}") from None

    def delete(
        self, kind: Kind, namespace: str | None, name: str, *, propagation: str
    ) -> dict[str, Any] | None:
        """Ask for deletion; None when there was nothing to delete.

        Args:
            propagation: Foreground, Background or Orphan: what happens to the objects that it owns.
        """
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        try:
            return self.connection.request("DELETE", _path(kind, namespace, name), body=options)
        except ApiRefused as refused:
            if refused.is_gone:
                return None
            raise


def wire_form(body: Mapping[str, Any]) -> dict[str, Any]:
    """The object as it is sent.

    `stringData` of a Secret goes as `data`: the server stores no stringData, so a key that leaves it later
    would stay in the Secret for ever.
    """
    sent = {key: value for key, value in body.items() if not key.startswith("__")}
    if sent.get("kind") == "Secret" and sent.get("apiVersion") == "v1" and "stringData" in sent:
        texts = sent.pop("stringData") or {}
        encoded = {key: base64.b64encode(str(text).encode()).decode() for key, text in texts.items()}
        sent["data"] = {**(sent.get("data") or {}), **encoded}
    return sent


def is_missing_namespace(refused: ApiRefused) -> bool:
    """Whether a 404 to an apply is about the namespace: an apply makes the object itself."""
    return refused.code == 404 and refused.message.startswith("namespaces ")


def is_not_yet(refused: ApiRefused, further: Sequence[str] = ()) -> bool:
    """Whether a refusal may pass by itself: by the table above, or by a part of its message in `further`."""
    return is_missing_namespace(refused) or any(part in refused.message for part in (*_NOT_YET, *further))


def _path(kind: Kind, namespace: str | None, name: str) -> str:
    return f"{kind.collection(namespace)}/{quote(name, safe='')}"
