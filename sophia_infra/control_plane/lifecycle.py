"""Starts, repairs, finds and stops the control plane of a name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import filelock

from sophia_infra.control_plane.components import COMPONENTS
from sophia_infra.control_plane.errors import ComponentEnded, InvalidPlane, PlaneBusy
from sophia_infra.control_plane.folder import DEFAULT_NAME, PlaneFolder, plane_folder
from sophia_infra.control_plane.nodes import NodeSpec
from sophia_infra.control_plane.parts import find_running, stop_components
from sophia_infra.control_plane.ports import read_ports
from sophia_infra.control_plane.starting import RunningControlPlane, Start
from sophia_infra.control_plane.tools import KubeTools
from sophia_infra.engine.home import Home, make_private_folder

__all__ = ["RunningControlPlane", "ensure_control_plane", "find_control_plane", "stop_control_plane"]

LOCK_TIMEOUT_S = 120.0

_ATTEMPTS = 3


def ensure_control_plane(
    home: Home,
    tools: KubeTools,
    nodes: Sequence[NodeSpec],
    name: str = DEFAULT_NAME,
    *,
    environ: Mapping[str, str] = os.environ,
) -> RunningControlPlane:
    """Return the control plane `name` with exactly these machines, started or repaired where needed.

    A second call changes nothing and takes a moment. Components that ended are started again, those of other
    tools or older certificates are replaced, and the objects in the cluster stay. Certificates, ports (while
    free) and so the kubeconfig outlive a stop. Ctrl-C or an error stops what this call had started.

    Raises:
        InvalidPlane: the name or the machines cannot be used.
        PlaneBusy: another process held the plane for two minutes.
        ComponentEnded: a component ended by itself; the message has the end of its log.
        PlaneNotReady: something was missing after 90 s.
    """
    folder = plane_folder(home, name)
    if not nodes or len({spec.name for spec in nodes}) < len(nodes):
        raise InvalidPlane("A control plane needs machines, each with a name of its own.")
    with _only_user(folder):
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return Start(folder, tools.directory, environ).run(nodes)
            except ComponentEnded as error:
                if not error.retry or attempt == _ATTEMPTS:
                    raise
                folder.ports_file.unlink(missing_ok=True)  # somebody took a port: choose others
    raise AssertionError("unreachable")


def find_control_plane(home: Home, name: str = DEFAULT_NAME) -> RunningControlPlane | None:
    """The control plane `name` when all its components run, else None. Sends nothing."""
    folder = plane_folder(home, name)
    ports = read_ports(folder.ports_file)
    if ports is None or not folder.kubeconfig.exists():
        return None
    if not all(find_running(folder.processes / component) for component in COMPONENTS):
        return None
    return RunningControlPlane(name, folder.kubeconfig, ports.server)


def stop_control_plane(home: Home, name: str = DEFAULT_NAME, wipe: bool = False) -> bool:
    """Stop the control plane `name`; return whether anything ran.

    Args:
        wipe: remove its objects, certificates and logs too; also those of a plane that does not run.

    Raises:
        PlaneBusy: another process held the plane for two minutes.
        PlaneNotStopped: a component lives on, even after SIGKILL.
    """
    folder = plane_folder(home, name)
    if not folder.root.exists():
        return False
    with _only_user(folder):
        stopped = stop_components(folder, COMPONENTS)
        if wipe:
            shutil.rmtree(folder.root)
    return stopped


@contextmanager
def _only_user(folder: PlaneFolder) -> Iterator[None]:
    make_private_folder(folder.lock_file.parent)
    try:
        with filelock.FileLock(folder.lock_file, timeout=LOCK_TIMEOUT_S):
            yield
    except filelock.Timeout:
        raise PlaneBusy(
            f"Another process starts or stops the control plane {folder.name} since {LOCK_TIMEOUT_S:.0f} s.",
            next_step="Wait for it, or end it, and start again.",
        ) from None
