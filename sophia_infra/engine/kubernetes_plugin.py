"""Puts the Kubernetes plugin into the engine's home: the official one where a CLI can get it, else ours.

An engine that we built runs where releases cannot be downloaded, so for it the network is not tried.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sophia_infra.engine.home import Home
from sophia_infra.engine.locate import Engine
from sophia_infra.engine.plugin_scripts import write_plugin_script

KUBERNETES_PLUGIN_VERSION = "4.33.0"
"""The version that the pinned pulumi-kubernetes asks the engine for."""
PLUGIN_VARIABLE = "SOPHIA_KUBERNETES_PLUGIN"
"""Environment variable; `stand-in` means ours even where the official plugin could be had."""
INSTALL_TIMEOUT_S = 120.0
"""The official plugin is a download of some 40 MB."""
TRY_AGAIN_AFTER_S = 24 * 3600.0
"""After a failed installation the network is left alone for this long: every command starts here."""

_EXECUTABLE = "pulumi-resource-kubernetes"
_STAND_IN_NOTE = (
    "The Kubernetes plugin is our stand-in, not the official one: objects, patches and helm.v3.Release by "
    "server-side apply, no charts or YAML as components, and Services, Ingresses and custom resources count "
    "as ready at once."
)


@dataclass(frozen=True, slots=True)
class KubernetesPlugin:
    """The plugin that runs will use. `note` is one sentence for the user."""

    origin: Literal["official", "stand-in"]
    version: str
    note: str


def ensure_kubernetes_plugin(
    engine: Engine,
    home: Home,
    environ: Mapping[str, str] = os.environ,
    *,
    install_timeout_s: float = INSTALL_TIMEOUT_S,
) -> KubernetesPlugin:
    """Return the plugin under PULUMI_HOME; install it when it is not there. A second call changes nothing.

    Args:
        environ: read for `SOPHIA_KUBERNETES_PLUGIN`; the rest goes to the CLI that installs.
        install_timeout_s: how long the CLI may try to get the official plugin.

    Raises:
        OSError: the folder of plugins cannot be written.
    """
    folder = home.pulumi / "plugins" / f"resource-kubernetes-v{KUBERNETES_PLUGIN_VERSION}"
    if engine.origin == "path" and environ.get(PLUGIN_VARIABLE) != "stand-in":
        failed = home.pulumi / "kubernetes-plugin-failed"
        if not _is_official(folder) and not _is_recent(failed):
            _install_official(engine, home, environ, install_timeout_s)
        if _is_official(folder):
            failed.unlink(missing_ok=True)
            note = f"The Kubernetes plugin is the official one, version {KUBERNETES_PLUGIN_VERSION}."
            return KubernetesPlugin("official", KUBERNETES_PLUGIN_VERSION, note)
        if not _is_recent(failed):
            failed.touch()
    write_plugin_script(folder, _EXECUTABLE, "sophia_infra.kubernetes_plugin", mark="sophia-infra stand-in")
    return KubernetesPlugin("stand-in", KUBERNETES_PLUGIN_VERSION, _STAND_IN_NOTE)


def _is_official(folder: Path) -> bool:
    """Whether the plugin that is there is complete and not ours."""
    executable = folder / _EXECUTABLE
    if not executable.is_file() or folder.with_suffix(folder.suffix + ".partial").exists():
        return False
    with executable.open("rb") as stream:
        return not stream.read(4096).startswith(b"#!")


def _is_recent(failed: Path) -> bool:
    try:
        return time.time() - failed.stat().st_mtime < TRY_AGAIN_AFTER_S
    except FileNotFoundError:
        return False


def _install_official(engine: Engine, home: Home, environ: Mapping[str, str], timeout_s: float) -> None:
    """Let the CLI try; what became of it shows in the folder."""
    environment = {**environ, "PULUMI_HOME": str(home.pulumi), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    command = [
        str(engine.pulumi),
        "plugin",
        "install",
        "resource",
        "kubernetes",
        f"v{KUBERNETES_PLUGIN_VERSION}",
    ]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            # --reinstall: the folder may hold the stand-in, which the CLI cannot tell from the official one.
            [*command, "--reinstall"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )
