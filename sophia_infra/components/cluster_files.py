"""Where kubeconfigs and manifests are, for the program and for the command that runs it. No pulumi here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sophia_infra.model.errors import ConfigError, Problem
from sophia_infra.model.kubernetes import KubernetesConfig

__all__ = [
    "KUBECONFIG_FOLDER_VARIABLE",
    "MANIFESTS_FOLDER_VARIABLE",
    "existing_kubeconfig",
    "read_kubeconfig",
]

KUBECONFIG_FOLDER_VARIABLE: Final = "SOPHIA_KUBECONFIG_FOLDER"
"""Emulator stacks: folder with `<cluster>.yaml`, kubeconfigs of control planes on this machine."""
MANIFESTS_FOLDER_VARIABLE: Final = "SOPHIA_MANIFESTS_FOLDER"
"""Emulator stacks without a control plane: where manifests are written."""


def existing_kubeconfig(kube: KubernetesConfig, environ: Mapping[str, str], source: str) -> Path:
    """The kubeconfig of an existing cluster, as the environment names it.

    Args:
        source: the stack file, for messages.

    Raises:
        ConfigError: the variable is not set.
    """
    variable = kube.kubeconfig_env or "KUBECONFIG"
    path = environ.get(variable)
    if not path:
        raise _refused(source, f"needs the environment variable {variable} with the path of a kubeconfig")
    return Path(path).expanduser()


def read_kubeconfig(file: Path, source: str) -> str:
    """The text of a kubeconfig, a secret. Raises ConfigError when it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise _refused(source, f"needs the kubeconfig {file}, which cannot be read: {reason}") from None


def _refused(source: str, message: str) -> ConfigError:
    return ConfigError([Problem(source, "sophia:kubernetes", None, None, None, message)])
