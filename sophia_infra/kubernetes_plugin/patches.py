"""Single fields of objects that others own: NodePatch, NamespacePatch, DeploymentPatch and so on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sophia_infra.kubernetes_plugin.discovery import Kind
from sophia_infra.kubernetes_plugin.errors import ApiRefused
from sophia_infra.kubernetes_plugin.objects import Objects
from sophia_infra.kubernetes_plugin.outputs import FIELD_MANAGER, expect, record
from sophia_infra.kubernetes_plugin.requests import Request
from sophia_infra.kubernetes_plugin.tokens import OUR_ANNOTATIONS, field_manager
from sophia_infra.plugin_protocol.values import Properties


class Patches(Objects):
    """Like objects, but the object has to be there, is not waited for, and stays when the patch is deleted.

    Outputs hold the patched fields only: all of a Node would change with every heartbeat.
    """

    def create(self, request: Request) -> tuple[str, Properties]:
        if request.preview:
            # Not even a dry run: the object itself may be made by this update.
            return "", expect(request.new.value, request.new, None)
        return super().create(request)

    def _locate(self, request: Request, *, wait_s: float = 0.0) -> tuple[Kind, dict[str, Any]]:
        """Without the annotations that are meant for us: two patches would get into conflict over them."""
        kind, body = super()._locate(request, wait_s=wait_s)
        metadata = dict(body["metadata"])
        annotations = metadata.pop("annotations", None) or {}
        kept = {key: text for key, text in annotations.items() if not key.startswith(OUR_ANNOTATIONS)}
        return kind, {**body, "metadata": {**metadata, **({"annotations": kept} if kept else {})}}

    def _outputs(self, live: Mapping[str, Any], inputs: Properties, manager: str) -> Properties:
        metadata = {**inputs.value["metadata"], "uid": live["metadata"]["uid"]}
        return record({**_shared(inputs.value, live), "metadata": metadata}, inputs, manager)

    def _existing(
        self, _request: Request, kind: Kind, body: Mapping[str, Any], _manager: str
    ) -> dict[str, Any] | None:
        metadata = body["metadata"]
        live = self._session.cluster.get(kind, metadata.get("namespace"), metadata["name"])
        if live is None:
            message = (
                f'{kind.resource} "{metadata["name"]}" not found: a patch needs an object that is there.'
            )
            raise ApiRefused(message, code=404, reason="NotFound")
        return live

    def _wait_until_ready(self, _request: Request, _kind: Kind, live: dict[str, Any]) -> dict[str, Any]:
        return live

    def _remove(self, request: Request, kind: Kind, namespace: str | None, name: str) -> None:
        body = {"metadata": {"name": name, **({"namespace": namespace} if namespace else {})}}
        manager = request.old.value.get(FIELD_MANAGER) or field_manager(request.urn, request.old.value)
        self._release(kind, body, str(manager))


def _shared(inputs: Any, live: Any) -> Any:
    """`live` cut down to what `inputs` speak of; lists are kept whole as written."""
    if isinstance(inputs, dict) and isinstance(live, dict):
        return {key: _shared(item, live[key]) for key, item in inputs.items() if key in live}
    return inputs if isinstance(inputs, list) else live
