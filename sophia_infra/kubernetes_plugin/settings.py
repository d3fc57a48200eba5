"""Arguments of the provider: read, checked, and compared with those of the run before."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sophia_infra.kubernetes_plugin.errors import NotSupported, SettingsRefused
from sophia_infra.kubernetes_plugin.kubeconfig import load_kubeconfig
from sophia_infra.plugin_protocol.changes import Change, Route, find_changes
from sophia_infra.plugin_protocol.values import UNKNOWN, has_unknown

DEFAULT_REQUEST_TIMEOUT_S = 32.0

_NOT_SUPPORTED = {
    "alwaysRender": "write manifests anew in every run",
    "strictMode": "refuse a provider without kubeconfig",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What one provider resource was given.

    Attributes:
        kubeconfig: text or path; None means that of this machine.
        render_directory: write manifests here and contact no cluster.
        cluster_identifier: while it stays the same, a new address of the cluster replaces nothing.
        delete_unreachable: forget objects when their cluster cannot be reached.
        skip_update_unreachable: leave objects as they are when their cluster cannot be reached.
        mutable_config_maps, mutable_secrets: change data in place instead of replacing the object.
        force: take fields from other managers (`enablePatchForce`).
        upsert: `create` takes over an object that is there (`upsertExistingObjects`).
        helm: `helmReleaseSettings`.
    """

    kubeconfig: str | None = field(default=None, repr=False)
    context: str | None = None
    namespace: str | None = None
    render_directory: Path | None = None
    cluster_identifier: str | None = None
    delete_unreachable: bool = False
    skip_update_unreachable: bool = False
    mutable_config_maps: bool = False
    mutable_secrets: bool = False
    force: bool = False
    upsert: bool = False
    request_timeout_s: float = DEFAULT_REQUEST_TIMEOUT_S
    helm: Mapping[str, Any] = field(default_factory=dict)


def read_settings(args: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the arguments as the engine sends them: text, also for what is a bool or a structure.

    Raises:
        NotSupported: an argument that this plugin cannot honour.
        SettingsRefused: an argument that cannot be read.
    """
    values = {key: _decoded(key, value) for key, value in args.items() if value is not UNKNOWN}
    if values.get("enableServerSideApply") is False:
        raise NotSupported("enableServerSideApply cannot be false: this plugin applies on the server only.")
    for key, what in _NOT_SUPPORTED.items():
        if values.get(key):
            raise NotSupported(f"{key} is not supported here: this plugin cannot {what}.")

    def flag(key: str, variable: str) -> bool:
        value = values.get(key)
        return bool(value) if value is not None else environ.get(variable, "").lower() == "true"

    render = values.get("renderYamlToDirectory")
    client = values.get("kubeClientSettings") or {}
    return Settings(
        kubeconfig=values.get("kubeconfig") or None,
        context=values.get("context") or None,
        namespace=values.get("namespace") or None,
        render_directory=Path(render).expanduser().absolute() if render else None,
        cluster_identifier=values.get("clusterIdentifier") or None,
        delete_unreachable=flag("deleteUnreachable", "PULUMI_K8S_DELETE_UNREACHABLE"),
        skip_update_unreachable=flag("skipUpdateUnreachable", "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE"),
        mutable_config_maps=flag("enableConfigMapMutable", "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE"),
        mutable_secrets=flag("enableSecretMutable", "PULUMI_K8S_ENABLE_SECRET_MUTABLE"),
        force=flag("enablePatchForce", "PULUMI_K8S_ENABLE_PATCH_FORCE"),
        upsert=flag("upsertExistingObjects", "PULUMI_K8S_UPSERT_EXISTING_OBJECTS"),
        request_timeout_s=float(client.get("timeout") or DEFAULT_REQUEST_TIMEOUT_S),
        helm=values.get("helmReleaseSettings") or {},
    )


def why_settings_are_refused(args: Mapping[str, Any]) -> tuple[str, str] | None:
    """Property and sentence for arguments that cannot work; None for good ones. Contacts no cluster."""
    try:
        settings = read_settings(args)
    except NotSupported as error:
        return error.message.partition(" ")[0], error.message
    except SettingsRefused as error:
        return "", error.message
    if settings.render_directory or not settings.kubeconfig or has_unknown(dict(args)):
        return None
    try:
        load_kubeconfig(settings.kubeconfig, settings.context)
    except SettingsRefused as error:
        return "kubeconfig", error.message
    return None


def compare_settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[dict[Route, Change], bool]:
    """Changed arguments, and whether they mean another cluster, so that all objects have to be made anew.

    Another cluster: the directory of manifests changed; or the server's address did, unless both runs have
    the same clusterIdentifier. Two different identifiers are two clusters, whatever the address.
    """
    changes: dict[Route, Change] = {route[:1]: "update" for route in find_changes(_own(old), _own(new))}
    if not changes:
        return changes, False
    if ("renderYamlToDirectory",) in changes:
        return changes, True
    before, after = old.get("clusterIdentifier"), new.get("clusterIdentifier")
    if before and after and UNKNOWN not in (before, after):
        return changes, before != after
    if new.get("kubeconfig") is UNKNOWN or new.get("context") is UNKNOWN:
        return changes, False  # nobody knows yet; the update will compare
    if ("kubeconfig",) not in changes and ("context",) not in changes:
        return changes, False
    return changes, _server(old) != _server(new)


def _own(args: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in args.items() if not key.startswith("__") and key != "version"}


def _server(args: Mapping[str, Any]) -> str | None:
    try:
        settings = read_settings(args)
        return load_kubeconfig(settings.kubeconfig, settings.context).server
    except (SettingsRefused, NotSupported):
        return None


def _decoded(key: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value in ("true", "false"):
        return value == "true"
    if key in ("kubeClientSettings", "helmReleaseSettings"):
        try:
            return json.loads(value)
        except ValueError:
            raise SettingsRefused(f"{key} is not the structure that it should be.") from None
    return value
