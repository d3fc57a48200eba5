"""Objects that a stack owns as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sophia_infra.kubernetes_plugin.applying import Applying
from sophia_infra.kubernetes_plugin.checking import check_object
from sophia_infra.kubernetes_plugin.cluster import is_missing_namespace, is_not_yet
from sophia_infra.kubernetes_plugin.comparing import compare_object
from sophia_infra.kubernetes_plugin.discovery import KIND_APPEARS_WITHIN_S, Kind, is_builtin
from sophia_infra.kubernetes_plugin.errors import AlreadyExists, ApiRefused, ClusterUnreachable, KindUnknown
from sophia_infra.kubernetes_plugin.outputs import (
    FIELD_MANAGER,
    expect,
    follow,
    follow_string_data,
    inputs_of,
)
from sophia_infra.kubernetes_plugin.requests import Checked, Found, Reporter, Request
from sophia_infra.kubernetes_plugin.session import Session
from sophia_infra.kubernetes_plugin.tokens import (
    DELETION_PROPAGATION_POLICY,
    PATCH_FORCE,
    SKIP_AWAIT,
    annotation,
    field_manager,
    group_of,
    is_set,
    object_id,
    object_type,
    split_id,
)
from sophia_infra.plugin_protocol.changes import Difference
from sophia_infra.plugin_protocol.values import Properties, has_unknown

_PREVIEW_ONLY = ("no PriorityClass with name", "does not support dry run")
"""Refusals of a dry run that say nothing about the update, beside those of `is_not_yet`."""


_OWNERS = frozenset({"apps", "batch"})


class Objects(Applying):
    """The verbs for one object each."""

    def __init__(self, session: Session, reporter: Reporter) -> None:
        super().__init__(session, reporter)
        self._deleted_first: set[str] = set()  # URNs whose old object is in the way of a preview only

    def check(self, request: Request) -> Checked:
        return check_object(request, self._session)

    def diff(self, request: Request) -> Difference:
        manager = self._manager(request)
        difference = compare_object(
            request, self._session.settings, manager, lambda: self._attempt(request, manager)
        )
        if difference.delete_first:
            self._deleted_first.add(request.urn)
        return difference

    def create(self, request: Request) -> tuple[str, Properties]:
        manager = field_manager(request.urn, request.new.value)
        if request.preview:
            return "", self._foresee(request, manager, old=None)
        kind, body = self._locate(request, wait_s=KIND_APPEARS_WITHIN_S)
        existing = self._existing(request, kind, body, manager)
        if existing is not None and existing["metadata"].get("deletionTimestamp"):
            self._wait_until_gone(request, kind, existing)
        return object_id(body), self._apply(request, kind, body, manager)

    def update(self, request: Request) -> Properties:
        manager = self._manager(request)
        try:
            if request.preview:
                return self._foresee(request, manager, old=request.old.value)
            kind, body = self._locate(request, wait_s=KIND_APPEARS_WITHIN_S)
            outputs = self._apply(request, kind, body, manager)
        except ClusterUnreachable as unreachable:
            if not self._session.settings.skip_update_unreachable:
                raise
            self._reporter.warn(request.urn, f"left as it is, as skipUpdateUnreachable says: {unreachable}")
            return request.old
        earlier = request.old.value.get(FIELD_MANAGER)
        if earlier and earlier != manager:
            self._release(kind, body, earlier)
        return outputs

    def read(self, request: Request) -> Found | None:
        namespace, name = split_id(request.id)
        of = object_type(request.type, request.old_inputs.value or request.old.value)
        try:
            kind = self._session.cluster.discovery.find(of.api_version, of.kind)
            live = self._session.cluster.get(kind, self._namespace(kind, namespace), name)
        except KindUnknown:
            return None
        except ClusterUnreachable as unreachable:
            self._forget_or_raise(request, unreachable)
            return None
        if live is None:
            return None
        inputs = self._current_inputs(request, live)
        manager = request.old.value.get(FIELD_MANAGER) or field_manager(request.urn, inputs.value)
        return Found(object_id(live), self._outputs(live, inputs, manager), inputs)

    def delete(self, request: Request) -> None:
        namespace, name = split_id(request.id)
        of = object_type(request.type, request.old.value)
        try:
            kind = self._session.cluster.discovery.find(of.api_version, of.kind)
            self._remove(request, kind, self._namespace(kind, namespace), name)
        except KindUnknown:
            return  # a kind that is not served has no objects
        except ClusterUnreachable as unreachable:
            self._forget_or_raise(request, unreachable)

    def _existing(
        self, request: Request, kind: Kind, body: Mapping[str, Any], manager: str
    ) -> dict[str, Any] | None:
        """What is there under the name; AlreadyExists when it is not ours to take."""
        metadata = body["metadata"]
        live = self._session.cluster.get(kind, metadata.get("namespace"), metadata["name"])
        if live is None or self._forces(request) or self._session.settings.upsert:
            return live
        if request.preview and request.urn in self._deleted_first:
            return live
        managers = live["metadata"].get("managedFields") or ()
        if any(row.get("manager") == manager and row.get("operation") == "Apply" for row in managers):
            return live
        if live["metadata"].get("deletionTimestamp") and not request.preview:
            return live
        place = f" in namespace {metadata['namespace']}" if metadata.get("namespace") else ""
        raise AlreadyExists(
            f'{kind.resource} "{metadata["name"]}" already exists{place}, and this stack did not make it: '
            f"import it, or take it over by the annotation {PATCH_FORCE}."
        )

    def _remove(self, request: Request, kind: Kind, namespace: str | None, name: str) -> None:
        chosen = annotation(request.old.value, DELETION_PROPAGATION_POLICY)
        propagation = chosen.capitalize() if chosen else _propagation(kind)
        answer = self._session.cluster.delete(kind, namespace, name, propagation=propagation)
        if answer is None or is_set(request.old.value, SKIP_AWAIT):
            return
        # What is gone at once is answered by a Status, with the uid in its details.
        uid = (answer.get("details") or answer.get("metadata") or {}).get("uid")
        deleted = {"namespace": namespace, "name": name, **({"uid": uid} if uid else {})}
        self._wait_until_gone(request, kind, {"metadata": deleted})

    def _foresee(self, request: Request, manager: str, old: Mapping[str, Any] | None) -> Properties:
        """Outputs for a preview: the server's answer to a dry run, else what the inputs say."""
        inputs = request.new
        guess = expect(inputs.value, inputs, old)
        if has_unknown(inputs.value):
            return guess
        existing = None
        try:
            kind, body = self._locate(request)
            existing = self._existing(request, kind, body, manager) if old is None else None
            answer = self._dry_run(request, kind, body, manager)
        except KindUnknown:
            return guess
        except ClusterUnreachable as unreachable:
            self._reporter.warn("", f"This preview shows inputs only: {unreachable}")
            return guess
        except ApiRefused as refused:
            # Fields that cannot change are no news about an object that a replacement deletes first.
            replaced = existing is not None and refused.code == 422
            if replaced or is_missing_namespace(refused) or is_not_yet(refused, _PREVIEW_ONLY):
                return guess
            raise
        return expect(answer, inputs, old)

    def _current_inputs(self, request: Request, live: Mapping[str, Any]) -> Properties:
        recorded = request.old_inputs
        if not recorded.value:
            return inputs_of(live)
        inputs = follow(recorded.value, request.old.value, live)
        if "stringData" in recorded.value and request.old.value.get("data") != live.get("data"):
            inputs["stringData"] = follow_string_data(recorded.value, live)
        return Properties(inputs, recorded.secrets)

    def _forget_or_raise(self, request: Request, unreachable: ClusterUnreachable) -> None:
        if not self._session.settings.delete_unreachable:
            raise unreachable
        self._reporter.warn(request.urn, f"forgotten, as deleteUnreachable says: {unreachable}")


def _propagation(kind: Kind) -> str:
    """Foreground for kinds that own others, as the official plugin does it for all.

    The garbage collector removes what is deleted in the foreground, about twenty objects a second, so that a
    stack with hundreds of ConfigMaps and Roles would wait for nothing.
    """
    if is_builtin(kind.api_version) and group_of(kind.api_version) not in _OWNERS:
        return "Background"
    return "Foreground"
