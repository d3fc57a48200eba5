"""Objects as YAML files in a directory, without any cluster.

Layout and names are the official plugin's: `0-crd/` and `1-manifest/`, so that `kubectl apply -f` in this
order works; `<version>-<kind>-<namespace>-<name>.yaml`, with `default` for what names no namespace. Unlike
there, no secret value is in a file: a stand-in is written in its place.
"""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from sophia_infra.kubernetes_plugin.checking import check_object
from sophia_infra.kubernetes_plugin.comparing import compare_object
from sophia_infra.kubernetes_plugin.errors import NotSupported, SettingsRefused, TakenFile
from sophia_infra.kubernetes_plugin.outputs import record
from sophia_infra.kubernetes_plugin.requests import Checked, Found, Reporter, Request
from sophia_infra.kubernetes_plugin.session import Session
from sophia_infra.kubernetes_plugin.tokens import (
    PATCH_FIELD_MANAGER,
    annotation,
    field_manager,
    object_id,
    object_type,
)
from sophia_infra.plugin_protocol.changes import Difference
from sophia_infra.plugin_protocol.values import Path as PropertyPath
from sophia_infra.plugin_protocol.values import Properties

CRD_FOLDER, MANIFEST_FOLDER = "0-crd", "1-manifest"

_STAND_IN = "secret-not-written-here"
_STAND_IN_BASE64 = base64.b64encode(_STAND_IN.encode()).decode()


class Rendered:
    """The verbs for objects that are written instead of applied."""

    def __init__(self, session: Session, reporter: Reporter, directory: Path) -> None:
        self._session = session
        self._reporter = reporter
        self._directory = directory
        self._lock = threading.Lock()
        self._writers: dict[Path, str] = {}

    def check(self, request: Request) -> Checked:
        return check_object(request, self._session)

    def diff(self, request: Request) -> Difference:
        return compare_object(request, self._session.settings, "", None)

    def create(self, request: Request) -> tuple[str, Properties]:
        if request.preview:
            return "", request.new
        self._write(request)
        return object_id(request.new.value), self._outputs(request)

    def update(self, request: Request) -> Properties:
        if request.preview:
            return request.new
        earlier = manifest_path(self._directory, request.type, request.old.value)
        if earlier != self._write(request):
            earlier.unlink(missing_ok=True)
        return self._outputs(request)

    def read(self, request: Request) -> Found | None:
        if not request.old_inputs.value:
            raise NotSupported(
                "Manifests in a directory cannot be imported: there is no cluster to read from."
            )
        if not manifest_path(self._directory, request.type, request.old.value).exists():
            return None
        return Found(request.id, request.old, request.old_inputs)

    def delete(self, request: Request) -> None:
        manifest_path(self._directory, request.type, request.old.value).unlink(missing_ok=True)

    def _outputs(self, request: Request) -> Properties:
        return record(request.new.value, request.new, field_manager(request.urn, request.new.value))

    def _write(self, request: Request) -> Path:
        body = request.new.value
        path = manifest_path(self._directory, request.type, body)
        with self._lock:
            writer = self._writers.setdefault(path, request.urn)
        if writer != request.urn:
            raise TakenFile(
                f"{request.name} and {writer.rpartition('::')[2]} are the same object: both would be {path}."
            )
        if request.new.secrets:
            self._reporter.warn(
                "",
                f"The manifests in {self._directory} hold stand-ins in place of secret values: a cluster "
                "needs the values by another way.",
            )
        shown = _without_secrets(body, request.new.secrets)
        text = yaml.dump(shown, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=10_000)
        try:
            _replace(path, text)
        except OSError as error:
            raise SettingsRefused(f"{path} cannot be written: {error.strerror}.") from None
        return path


def manifest_path(directory: Path, pulumi_type: str, body: Mapping[str, Any]) -> Path:
    """Where an object is written. Two patches of one object differ by their field manager."""
    of = object_type(pulumi_type, body)
    metadata = body["metadata"]
    kind = f"{of.kind}patch" if of.is_patch else of.kind
    parts = [of.api_version, kind, metadata.get("namespace") or "default", metadata["name"]]
    manager = annotation(body, PATCH_FIELD_MANAGER) if of.is_patch else None
    name = "-".join([*parts, *([manager] if manager else [])]).lower()
    folder = CRD_FOLDER if of.kind == "CustomResourceDefinition" else MANIFEST_FOLDER
    return directory / folder / f"{name.replace('/', '_').replace(':', '_')}.yaml"


def _without_secrets(body: Mapping[str, Any], secrets: Collection[PropertyPath]) -> dict[str, Any]:
    """A copy of `body` with a stand-in for each value at or below a path of `secrets`."""

    def copy(value: Any, path: PropertyPath, *, hidden: bool) -> Any:
        hidden = hidden or path in secrets
        if isinstance(value, Mapping):
            return {key: copy(item, (*path, key), hidden=hidden) for key, item in value.items()}
        if isinstance(value, list):
            return [copy(item, path, hidden=hidden) for item in value]
        if not hidden:
            return value
        # What stands under `data` of a Secret has to be base64, or the whole object is refused.
        return _STAND_IN_BASE64 if body.get("kind") == "Secret" and path[0] == "data" else _STAND_IN

    return {key: copy(item, (key,), hidden=False) for key, item in body.items()}


class _Dumper(yaml.SafeDumper):
    """Writes a value that occurs twice twice: anchors are valid YAML, and a nuisance in manifests."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    draft.replace(path)
