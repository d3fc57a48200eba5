"""Runs the helm binary. Kubeconfig and values go through files that live as long as the command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sophia_infra.kubernetes_plugin.errors import Cancelled, ReleaseFailed

HELM_VARIABLE = "SOPHIA_HELM"
"""Environment variable with the path of the helm binary; without it, the one on PATH."""
KILL_AFTER_S = 20.0
"""How long helm may take to end once asked: it marks the release as failed."""

_FIRST_POLL_S, _LONGEST_POLL_S = 0.01, 0.2
_LONGEST_MESSAGE = 4000


class Helm:
    """The helm binary against one cluster."""

    def __init__(
        self,
        kubeconfig: str,
        cancelled: threading.Event,
        settings: Mapping[str, Any],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._kubeconfig = kubeconfig
        self._cancelled = cancelled
        self._settings = settings
        self._environ = environ

    def run(self, arguments: Sequence[str], *, values: Mapping[str, Any] | None = None) -> str:
        """Run `helm ARGUMENTS` and return what it printed.

        Args:
            values: passed as the one values file, JSON.

        Raises:
            ReleaseFailed: helm is not here, or ended with an error; the message is helm's last line.
            Cancelled: the engine asked to stop; helm was asked too, and has ended.
        """
        command = [find_helm(self._environ), *arguments]
        with tempfile.TemporaryDirectory(prefix="sophia-helm-") as name:
            folder = Path(name)
            _write(folder / "kubeconfig", self._kubeconfig)
            if values is not None:
                _write(folder / "values.json", json.dumps(values))
                command += ["--values", str(folder / "values.json")]
            return self._finish(command, self._environment(folder), folder)

    def _finish(self, command: list[str], environment: Mapping[str, str], folder: Path) -> str:
        with (folder / "stdout").open("w+b") as out, (folder / "stderr").open("w+b") as err:
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,  # a Ctrl-C of the user reaches it through us, once
            )
            pause_s = _FIRST_POLL_S
            while process.poll() is None:
                if self._cancelled.wait(pause_s):
                    _stop(process)
                    raise Cancelled(f"helm {command[1]} was stopped.")
                pause_s = min(2 * pause_s, _LONGEST_POLL_S)
            out.seek(0)
            err.seek(0)
            printed = out.read().decode(errors="replace")
            complaint = err.read().decode(errors="replace")
        if process.returncode != 0:
            raise ReleaseFailed(f"helm {command[1]}: {_last_words(complaint)}")
        return printed

    def _environment(self, folder: Path) -> dict[str, str]:
        environment = {key: text for key, text in self._environ.items() if not key.startswith("KUBE")}
        environment["KUBECONFIG"] = str(folder / "kubeconfig")
        for key, variable in _SETTINGS.items():
            if self._settings.get(key):
                environment[variable] = str(self._settings[key])
        return environment


_SETTINGS = {
    "driver": "HELM_DRIVER",
    "pluginsPath": "HELM_PLUGINS",
    "registryConfigPath": "HELM_REGISTRY_CONFIG",
    "repositoryCache": "HELM_REPOSITORY_CACHE",
    "repositoryConfigPath": "HELM_REPOSITORY_CONFIG",
}


def find_helm(environ: Mapping[str, str] = os.environ) -> str:
    """Path of the helm binary. Raises ReleaseFailed when there is none."""
    chosen = environ.get(HELM_VARIABLE)
    if chosen:
        if not os.access(chosen, os.X_OK):
            raise ReleaseFailed(f"{HELM_VARIABLE} is {chosen}, which is no program that can be run.")
        return chosen
    found = shutil.which("helm", path=environ.get("PATH", os.defpath))
    if found is None:
        raise ReleaseFailed(
            f"There is no helm here: install helm 3.13 or newer, or set {HELM_VARIABLE} to its path."
        )
    return found


def _write(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(KILL_AFTER_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_words(complaint: str) -> str:
    """Helm's error, without its warnings before it."""
    error = complaint.rpartition("Error: ")[2].strip() or "it ended with an error and said nothing"
    return error if len(error) <= _LONGEST_MESSAGE else f"{error[:_LONGEST_MESSAGE]} ..."
