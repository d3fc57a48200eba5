"""What runs of a control plane, and why the rest does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sophia_infra.control_plane.api_client import ApiClient
from sophia_infra.control_plane.components import COMPONENTS
from sophia_infra.control_plane.errors import RequestRefused, Unreachable
from sophia_infra.control_plane.folder import DEFAULT_NAME, PlaneFolder, plane_folder
from sophia_infra.control_plane.logs import last_lines
from sophia_infra.control_plane.nodes import is_ready
from sophia_infra.control_plane.ports import read_ports
from sophia_infra.control_plane.processes import is_running, read_record
from sophia_infra.engine.home import Home

__all__ = ["ComponentStatus", "PlaneStatus", "read_status"]

State = Literal["absent", "stopped", "running", "degraded"]

ANSWER_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """One component. `ended`: it ended by itself; `last_lines` is then the end of its log."""

    name: str
    pid: int | None
    ended: bool
    last_lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlaneStatus:
    """A control plane.

    Attributes:
        state: absent (never started, or wiped), stopped (objects are kept), running (all components run and
            the API server answers), degraded (a part is missing; a start repairs it).
        problem: why it is degraded, as one sentence; "" else.
        nodes: name -> whether it is ready; empty where the API server does not answer.
    """

    name: str
    state: State
    server: str
    problem: str
    components: tuple[ComponentStatus, ...]
    nodes: dict[str, bool]

    def as_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            "name": self.name,
            "state": self.state,
            "server": self.server,
            "problem": self.problem,
            "components": [
                {
                    "name": row.name,
                    "pid": row.pid,
                    "ended": row.ended,
                    "last_lines": list(row.last_lines),
                }
                for row in self.components
            ],
            "nodes": self.nodes,
        }


def read_status(home: Home, name: str = DEFAULT_NAME) -> PlaneStatus:
    """Look at the processes of the control plane `name`, and ask its API server when it should answer.

    Raises:
        InvalidPlane: no control plane can have this name.
    """
    folder = plane_folder(home, name)
    ports = read_ports(folder.ports_file)
    if ports is None:
        return PlaneStatus(name, "absent", "", "", (), {})
    components = tuple(_read_component(folder, component) for component in COMPONENTS)
    missing = [row for row in components if row.pid is None]
    if len(missing) == len(components):
        return PlaneStatus(name, "stopped", ports.server, "", components, {})
    problem = f"{', '.join(row.name for row in missing)} ended." if missing else ""
    nodes: dict[str, bool] = {}
    if {"etcd", "kube-apiserver"} <= {row.name for row in components if row.pid}:
        try:
            with ApiClient(folder.kubeconfig, timeout_s=ANSWER_TIMEOUT_S) as client:
                listed = client.request("GET", "/api/v1/nodes")["items"]
            nodes = {node["metadata"]["name"]: is_ready(node) for node in listed}
        except (OSError, Unreachable, RequestRefused) as error:
            problem = problem or f"The API server does not answer: {error}"
    state: State = "degraded" if problem else "running"
    return PlaneStatus(name, state, ports.server, problem, components, nodes)


def _read_component(folder: PlaneFolder, component: str) -> ComponentStatus:
    process = read_record(folder.processes / component)
    if process is None:
        return ComponentStatus(component, None, ended=False)
    if is_running(process):
        return ComponentStatus(component, process.pid, ended=False)
    return ComponentStatus(component, None, ended=True, last_lines=last_lines(folder.log(component)))
