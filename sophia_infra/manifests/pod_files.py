"""Files that a pod reads beside its environment: its configuration, and secrets that are no variable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sophia_infra.manifests.external_secrets import secret_name
from sophia_infra.manifests.objects import Manifest, build_metadata

__all__ = ["CONFIG_FOLDER", "NO_FILES", "SECRETS_FOLDER", "PodFiles", "config_map"]

CONFIG_FOLDER = "/etc/sophia/config"
SECRETS_FOLDER = "/etc/sophia/secrets"

_CONFIG_VOLUME = "config"
_SECRETS_VOLUME = "secrets"


@dataclass(frozen=True, slots=True)
class PodFiles:
    """What is mounted read-only.

    Attributes:
        config: file name -> text, in CONFIG_FOLDER. Never a secret.
        secrets: variable of the row's secret_env -> file name in SECRETS_FOLDER; it is then no variable.
    """

    config: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def checksum(self) -> str | None:
        """Changes with the texts; None without any."""
        if not self.config:
            return None
        return hashlib.sha256(json.dumps(dict(self.config), sort_keys=True).encode()).hexdigest()[:16]

    def mounts(self) -> list[dict[str, Any]]:
        """Mounts of the container."""
        folders = (
            (_CONFIG_VOLUME, CONFIG_FOLDER, self.config),
            (_SECRETS_VOLUME, SECRETS_FOLDER, self.secrets),
        )
        return [{"name": name, "mountPath": at, "readOnly": True} for name, at, files in folders if files]

    def volumes(self, owner: str) -> list[dict[str, Any]]:
        """Volumes of the pods of `owner`."""
        made: list[dict[str, Any]] = []
        if self.config:
            made.append({"name": _CONFIG_VOLUME, "configMap": {"name": config_map_name(owner)}})
        if self.secrets:
            items = [{"key": variable, "path": file} for variable, file in self.secrets.items()]
            secret = {"secretName": secret_name(owner), "items": items, "defaultMode": 0o440}
            made.append({"name": _SECRETS_VOLUME, "secret": secret})
        return made


NO_FILES = PodFiles()


def config_map_name(owner: str) -> str:
    """Name of the ConfigMap of a workload."""
    return f"{owner}-config"


def config_map(owner: str, namespace: str, files: PodFiles, after: tuple[str, ...]) -> list[Manifest]:
    """The texts of `files` as an object; nothing without any."""
    if not files.config:
        return []
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": build_metadata(config_map_name(owner), namespace),
        "data": dict(files.config),
    }
    return [Manifest(f"{owner}-config", body, after)]
