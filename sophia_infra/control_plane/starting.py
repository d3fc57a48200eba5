"""One attempt to start a control plane, or to repair it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sophia_infra.control_plane.access import build_access
from sophia_infra.control_plane.api_client import ApiClient
from sophia_infra.control_plane.certificates import ADMIN, are_certificates_good, ensure_certificates
from sophia_infra.control_plane.components import (
    COMPONENTS,
    CONTROLLERS,
    SERVERS,
    Ports,
    build_commands,
    build_environment,
    component_users,
)
from sophia_infra.control_plane.folder import PlaneFolder
from sophia_infra.control_plane.kubeconfig import build_kubeconfig
from sophia_infra.control_plane.nodes import NodeSpec
from sophia_infra.control_plane.parts import ended_error, find_running, stop_components
from sophia_infra.control_plane.ports import become_free, choose_ports, read_ports, write_ports
from sophia_infra.control_plane.processes import no_signals, start
from sophia_infra.control_plane.readiness import apply_nodes, server_answers, wait_until, why_not_ready
from sophia_infra.engine.home import make_private_folder, write_private_file

__all__ = ["RunningControlPlane", "Start"]

READY_TIMEOUT_S = 90.0
"""Ready takes 3 to 5 s; this is for a machine with ten times the load."""


@dataclass(frozen=True, slots=True)
class RunningControlPlane:
    """A control plane that answers. `kubeconfig` is the administrator's, complete in itself, mode 0600."""

    name: str
    kubeconfig: Path
    server: str


class Start:
    """One attempt. Holds what it has started, to stop that when something goes wrong."""

    def __init__(self, folder: PlaneFolder, tools: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._tools = tools
        self._environment = build_environment(folder, environ)
        self._started: list[str] = []
        self._adopted: set[str] = set()
        self._commands: Mapping[str, tuple[str, ...]] = {}

    def run(self, nodes: Sequence[NodeSpec]) -> RunningControlPlane:
        """Start what does not run, make the machines those of `nodes`, and wait until all is ready."""
        try:
            return self._run(nodes)
        except BaseException:
            with no_signals():  # a second Ctrl-C must not leave half of it running
                stop_components(self._folder, self._started)
            raise

    def _run(self, nodes: Sequence[NodeSpec]) -> RunningControlPlane:
        folder = self._folder
        for directory in (folder.root.parent, folder.root, folder.processes, folder.logs, folder.kubeconfigs):
            make_private_folder(directory)
        now = datetime.now(UTC)
        if not are_certificates_good(folder.certificates, now=now):
            stop_components(folder, COMPONENTS)  # first: what runs on keeps the authority it has read
            ensure_certificates(folder.certificates, now=now)
        ports = self._usable_ports()
        self._write_settings(ports)
        self._commands = build_commands(self._tools, folder, ports)
        self._start(SERVERS)
        with ApiClient(folder.kubeconfig) as client:
            wait_until(
                lambda: None if server_answers(client) else "the API server does not answer",
                timeout_s=READY_TIMEOUT_S,
                each_pass=self._watch,
            )
            if not all(find_running(folder.processes / component) for component in CONTROLLERS):
                for path, body in build_access():
                    client.apply(path, body)
            self._start(CONTROLLERS)
            apply_nodes(client, nodes)
            wait_until(
                lambda: why_not_ready(client, [spec.name for spec in nodes]),
                timeout_s=READY_TIMEOUT_S,
                each_pass=self._watch,
            )
        return RunningControlPlane(folder.name, folder.kubeconfig, ports.server)

    def _write_settings(self, ports: Ports) -> None:
        folder = self._folder
        write_ports(folder.ports_file, ports)
        files = {folder.kubeconfig: ADMIN}
        files |= {folder.kubeconfigs / component: user for component, user in component_users().items()}
        for file, user in files.items():
            text = build_kubeconfig(folder.certificates, plane=folder.name, server=ports.server, user=user)
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                write_private_file(file, text)

    def _usable_ports(self) -> Ports:
        """The ports of the start before; others when somebody took one while the plane was down."""
        folder = self._folder
        ports = read_ports(folder.ports_file)
        if ports is not None:
            needed = {"etcd": (ports.etcd, ports.etcd_peer), "kube-apiserver": (ports.api_server,)}
            down = [component for component in needed if not find_running(folder.processes / component)]
            if become_free([port for component in down for port in needed[component]]):
                return ports
        stop_components(folder, COMPONENTS)
        return choose_ports()

    def _start(self, components: Sequence[str]) -> None:
        folder = self._folder
        for component in components:
            process = find_running(folder.processes / component)
            if process:
                if process.command == self._commands[component]:
                    self._adopted.add(component)
                    continue
                stop_components(folder, (component,))
            self._started.append(component)
            start(
                self._commands[component],
                record=folder.processes / component,
                log=folder.log(component),
                environment=self._environment,
            )

    def _watch(self) -> None:
        """Refuse a start of which a part has ended; what ran before may end with what it depended on."""
        for component in self._started:
            if not find_running(self._folder.processes / component):
                raise ended_error(self._folder, component)
        for component in sorted(self._adopted):
            if not find_running(self._folder.processes / component):
                self._adopted.discard(component)
                self._start((component,))
