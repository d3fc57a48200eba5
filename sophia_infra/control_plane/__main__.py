"""`python -m sophia_infra.control_plane COMMAND`: a Kubernetes control plane on this machine.

    build       find kube-apiserver and its companions, or build them once; --no-build only looks
    start       start or repair it, with the machines of a stack file as nodes (--stack, default local)
    status      say what runs
    stop        stop it; its objects are kept
    wipe        stop it and remove all that it wrote
    kubeconfig  print the path of the administrator's kubeconfig

Options: --name NAME (default local), --json. Exit codes: 0 done; 1 it failed, the message says what to do;
3 `status` and `kubeconfig`: it does not run, or not whole; 64 the command line, a name or the stack file is
wrong; 130 Ctrl-C, nothing half-started is left.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from sophia_infra.control_plane.errors import ControlPlaneError, InvalidPlane
from sophia_infra.control_plane.folder import DEFAULT_NAME, plane_folder
from sophia_infra.control_plane.lifecycle import ensure_control_plane, find_control_plane, stop_control_plane
from sophia_infra.control_plane.nodes import NodeSpec, node_specs
from sophia_infra.control_plane.status import PlaneStatus, read_status
from sophia_infra.control_plane.tools import find_kube_tools
from sophia_infra.engine.errors import EngineError
from sophia_infra.engine.home import Home, open_home
from sophia_infra.engine.progress_line import ProgressLine
from sophia_infra.model.errors import ModelError

OK, FAILED, NOT_RUNNING, USAGE, INTERRUPTED = 0, 1, 3, 64, 130


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as ended:
        return USAGE if ended.code else OK
    options.line = line = ProgressLine()
    try:
        return _COMMANDS[options.command](open_home(), options)
    except (ControlPlaneError, EngineError, ModelError) as error:
        line.end()
        print(error, file=sys.stderr)
        return USAGE if isinstance(error, InvalidPlane | ModelError) else FAILED
    except KeyboardInterrupt:
        line.end()
        print("Stopped; nothing half-started is left.", file=sys.stderr)
        return INTERRUPTED


def _build(home: Home, options: argparse.Namespace) -> int:
    tools = find_kube_tools(home, options.line.show, may_build=not options.no_build)
    options.line.end()
    for note in tools.notes:
        print(note, file=sys.stderr)
    origin = "built now" if tools.fresh else "built before"
    _print(
        options,
        f"Kubernetes {tools.version} control plane, {origin}: {tools.directory}",
        {"version": tools.version, "directory": str(tools.directory), "fresh": tools.fresh},
    )
    return OK


def _start(home: Home, options: argparse.Namespace) -> int:
    plane_folder(home, options.name)
    nodes = _stack_nodes(home, options.stack, options.name)
    tools = find_kube_tools(home, options.line.show)
    options.line.end()
    running = ensure_control_plane(home, tools, nodes, options.name)
    _print(
        options,
        f"{running.name} runs at {running.server} with {len(nodes)} nodes; KUBECONFIG={running.kubeconfig}",
        {"name": running.name, "server": running.server, "kubeconfig": str(running.kubeconfig)},
    )
    return OK


def _status(home: Home, options: argparse.Namespace) -> int:
    status = read_status(home, options.name)
    _print(options, _as_text(status), status.as_json())
    return OK if status.state == "running" else NOT_RUNNING


def _stop(home: Home, options: argparse.Namespace) -> int:
    wipe = options.command == "wipe"
    existed = plane_folder(home, options.name).root.exists()
    stopped = stop_control_plane(home, options.name, wipe=wipe)
    if wipe:
        text = f"{options.name} is removed." if existed else f"There is no {options.name}."
    else:
        text = f"{options.name} is stopped; its objects are kept." if stopped else "Nothing ran."
    _print(options, text, {"name": options.name, "stopped": stopped, "wiped": wipe and existed})
    return OK


def _kubeconfig(home: Home, options: argparse.Namespace) -> int:
    running = find_control_plane(home, options.name)
    if running is None:
        print(f"{options.name} does not run, or not whole. `start` starts or repairs it.", file=sys.stderr)
        return NOT_RUNNING
    _print(options, str(running.kubeconfig), {"kubeconfig": str(running.kubeconfig)})
    return OK


_COMMANDS: Mapping[str, Callable[[Home, argparse.Namespace], int]] = {
    "build": _build,
    "start": _start,
    "status": _status,
    "stop": _stop,
    "wipe": _stop,
    "kubeconfig": _kubeconfig,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sophia_infra.control_plane", description="A Kubernetes control plane on this machine."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in _COMMANDS:
        command = commands.add_parser(name)
        command.add_argument("--json", action="store_true", help="print JSON")
        if name == "build":
            command.add_argument("--no-build", action="store_true", help="only look into the cache")
        else:
            command.add_argument("--name", default=DEFAULT_NAME, help="which control plane")
        if name == "start":
            command.add_argument("--stack", default="local", help="stack file with the machines")
    return parser


def _stack_nodes(home: Home, stack: str, name: str) -> tuple[NodeSpec, ...]:
    """The machines of cluster `name` of the stack, or of all its clusters where none is called so."""
    from sophia_infra.model.kubernetes import KubernetesConfig
    from sophia_infra.model.kubernetes.clusters import build_clusters
    from sophia_infra.model.stack_config import load_stack_config

    config = load_stack_config(home.checkout / f"Pulumi.{stack}.yaml")
    clusters = build_clusters(config.fleet, config.kubernetes or KubernetesConfig())
    chosen = [clusters[name]] if name in clusters else list(clusters.values())
    return node_specs(node for cluster in chosen for node in cluster.nodes)


def _as_text(status: PlaneStatus) -> str:
    head = f"{status.name}: {status.state}" + (f" at {status.server}" if status.state == "running" else "")
    lines = [head, *([f"  {status.problem} `start` repairs it."] if status.problem else [])]
    for row in status.components:
        state = f"process {row.pid}" if row.pid else ("ended by itself" if row.ended else "not started")
        lines.append(f"  {row.name:<24} {state}")
        lines.extend(f"    {text}" for text in row.last_lines)
    lines += [
        f"  node {name:<30} {'ready' if ready else 'not ready'}" for name, ready in status.nodes.items()
    ]
    return "\n".join(lines)


def _print(options: argparse.Namespace, text: str, fields: Mapping[str, Any]) -> None:
    print(json.dumps(fields, indent=2) if options.json else text)


if __name__ == "__main__":
    sys.exit(main())
