"""The components of one control plane as processes: which runs, which has ended, and how they stop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sophia_infra.control_plane.components import CONTROLLERS
from sophia_infra.control_plane.errors import ComponentEnded, PlaneNotStopped
from sophia_infra.control_plane.folder import PlaneFolder
from sophia_infra.control_plane.logs import last_lines
from sophia_infra.control_plane.processes import Process, forget, is_running, read_record, stop

__all__ = ["ended_error", "find_running", "stop_components"]


def find_running(record: Path) -> Process | None:
    """The process of `record` when it runs."""
    process = read_record(record)
    return process if process and is_running(process) else None


def ended_error(folder: PlaneFolder, component: str) -> ComponentEnded:
    """The error for a component that ended by itself."""
    return ComponentEnded(
        f"{component} of the control plane {folder.name} ended by itself.",
        next_step=f"Its log: {folder.log(component)}",
        component=component,
        log_file=folder.log(component),
        last_lines=last_lines(folder.log(component)),
    )


def stop_components(folder: PlaneFolder, components: Sequence[str]) -> bool:
    """End the named components, clients before their servers; return whether any ran."""
    stopped = False
    for group in (CONTROLLERS, ("kube-apiserver",), ("etcd",)):
        records = [folder.processes / component for component in group if component in components]
        running = [process for record in records if (process := find_running(record))]
        alive = stop(running)
        if alive:
            numbers = ", ".join(str(process.pid) for process in alive)
            raise PlaneNotStopped(
                f"These processes of the control plane {folder.name} do not end: {numbers}.",
                next_step="Look what they wait for (a disk that does not answer?) and stop it again.",
            )
        stopped = stopped or bool(running)
        for record in records:
            forget(record)
    return stopped
