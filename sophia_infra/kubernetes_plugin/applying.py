"""Steps that the verbs for objects and for patches share: find the kind, apply, wait, release."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sophia_infra.kubernetes_plugin.cluster import SETTLES_WITHIN_S
from sophia_infra.kubernetes_plugin.discovery import Kind
from sophia_infra.kubernetes_plugin.errors import ApiRefused, Cancelled, NotReady, PluginError, StillThere
from sophia_infra.kubernetes_plugin.outputs import FIELD_MANAGER, record
from sophia_infra.kubernetes_plugin.requests import Reporter, Request
from sophia_infra.kubernetes_plugin.session import Session
from sophia_infra.kubernetes_plugin.tokens import (
    PATCH_FIELD_MANAGER,
    PATCH_FORCE,
    annotation,
    field_manager,
    is_set,
    object_id,
    object_type,
)
from sophia_infra.kubernetes_plugin.waiting import Unready, timeout_of, why_still_there
from sophia_infra.plugin_protocol.values import Properties


class Applying:
    """Base of the verbs. Raises PluginError."""

    def __init__(self, session: Session, reporter: Reporter) -> None:
        self._session = session
        self._reporter = reporter

    def _locate(self, request: Request, *, wait_s: float = 0.0) -> tuple[Kind, dict[str, Any]]:
        """The kind, and the object in its namespace."""
        of = object_type(request.type, request.new.value)
        kind = self._session.cluster.discovery.find(of.api_version, of.kind, wait_s=wait_s)
        return kind, self._session.place(request.new.value, namespaced=kind.namespaced)

    def _manager(self, request: Request) -> str:
        """The manager that the inputs name, else that of the run before."""
        recorded = request.old.value.get(FIELD_MANAGER)
        if annotation(request.new.value, PATCH_FIELD_MANAGER) or not recorded:
            return field_manager(request.urn, request.new.value)
        return str(recorded)

    def _apply(self, request: Request, kind: Kind, body: Mapping[str, Any], manager: str) -> Properties:
        """Apply and wait; an object that is there and not ready is recorded by NotReady."""
        live = self._send(request, kind, body, manager, settle_s=SETTLES_WITHIN_S)
        try:
            live = self._wait_until_ready(request, kind, live)
        except (Unready, PluginError) as ended:
            # Also when the server is lost while waiting: the object is there, and has to be recorded.
            seen, reasons = (
                (ended.live, ended.reasons) if isinstance(ended, Unready) else (live, [str(ended)])
            )
            outputs = self._outputs(seen, request.new, manager)
            raise NotReady(reasons, id_=object_id(body), outputs=outputs) from None
        return self._outputs(live, request.new, manager)

    def _dry_run(self, request: Request, kind: Kind, body: Mapping[str, Any], manager: str) -> dict[str, Any]:
        return self._send(request, kind, body, manager, dry_run=True)

    def _attempt(self, request: Request, manager: str) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """The object as it is, and as it would be if all fields were ours to set."""
        kind, body = self._locate(request)
        cluster, metadata = self._session.cluster, body["metadata"]
        answer = cluster.apply(kind, body, manager=manager, force=True, dry_run=True)
        return cluster.get(kind, metadata.get("namespace"), metadata["name"]), answer

    def _send(
        self, request: Request, kind: Kind, body: Mapping[str, Any], manager: str, **how: Any
    ) -> dict[str, Any]:
        """Server-side apply; a conflict gets the way out of it after the server's words."""
        warn, force = self._warner(request), self._forces(request)
        try:
            return self._session.cluster.apply(
                kind, body, manager=manager, force=force, on_warning=warn, **how
            )
        except ApiRefused as refused:
            if not any(cause.get("reason") == "FieldManagerConflict" for cause in refused.causes):
                raise
            raise ApiRefused(
                f"{refused.message} (to take the fields over, set the annotation {PATCH_FORCE} to true)",
                code=refused.code,
                reason=refused.reason,
                causes=refused.causes,
            ) from None

    def _release(self, kind: Kind, body: Mapping[str, Any], manager: str) -> None:
        """Give up the fields that `manager` holds: those that nobody else holds disappear."""
        metadata = body["metadata"]
        live = self._session.cluster.get(kind, metadata.get("namespace"), metadata["name"])
        if live is None:
            return
        # The uid makes the server refuse rather than create, should the object go away just now.
        kept = {key: live["metadata"][key] for key in ("name", "namespace", "uid") if key in live["metadata"]}
        nothing = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": kept}
        self._session.cluster.apply(kind, nothing, manager=manager, force=False)

    def _outputs(self, live: Mapping[str, Any], inputs: Properties, manager: str) -> Properties:
        return record(live, inputs, manager)

    def _wait_until_ready(self, request: Request, kind: Kind, live: dict[str, Any]) -> dict[str, Any]:
        timeout_s = timeout_of(request.new.value, request.timeout_s)
        return self._session.waiter.until_ready(kind, live, timeout_s, self._sayer(request))

    def _wait_until_gone(self, request: Request, kind: Kind, deleted: Mapping[str, Any]) -> None:
        timeout_s = timeout_of(request.old.value, request.timeout_s)
        shown = f"{kind.resource} {deleted['metadata']['name']}"
        try:
            left = self._session.waiter.until_gone(kind, deleted, timeout_s, self._sayer(request))
        except Unready as unready:
            raise Cancelled(f"{shown}: {unready}") from None
        if left is not None:
            reason = why_still_there(left)
            raise StillThere(f"{shown} is still there {timeout_s:g} s after its deletion: {reason}")

    def _namespace(self, kind: Kind, namespace: str | None) -> str | None:
        return (namespace or self._session.namespace) if kind.namespaced else None

    def _forces(self, request: Request) -> bool:
        return self._session.settings.force or is_set(request.new.value, PATCH_FORCE)

    def _warner(self, request: Request) -> Callable[[str], None]:
        return lambda message: self._reporter.warn(request.urn, message)

    def _sayer(self, request: Request) -> Callable[[str], None]:
        return lambda message: self._reporter.status(request.urn, message)
