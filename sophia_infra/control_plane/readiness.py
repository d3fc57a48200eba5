"""When a control plane is ready, and how its simulated machines follow the fleet."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from sophia_infra.control_plane.api_client import ApiClient
from sophia_infra.control_plane.errors import PlaneNotReady, RequestRefused, Unreachable
from sophia_infra.control_plane.nodes import (
    SPEC_ANNOTATION,
    NodeSpec,
    build_node,
    build_node_status,
    is_ready,
    merge_taints,
    parse_spec,
)

__all__ = ["apply_nodes", "server_answers", "wait_until", "why_not_ready"]

POLL_S = 0.05


def server_answers(client: ApiClient) -> bool:
    """Whether the API server is ready to serve, its own start-up included."""
    try:
        return bool(client.request("GET", "/readyz") == "ok")
    except (Unreachable, RequestRefused):
        return False


def why_not_ready(client: ApiClient, names: Sequence[str]) -> str | None:
    """What is missing for pods to be admitted and placed on the machines `names`; None when nothing is."""
    try:
        nodes = {node["metadata"]["name"]: node for node in client.request("GET", "/api/v1/nodes")["items"]}
        unready = [name for name in names if not is_ready(nodes.get(name, {}))]
        if unready:
            return f"not ready: {', '.join(unready)}"
        client.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")
    except Unreachable as error:
        return str(error)
    except RequestRefused as error:
        return error.message
    return None


def wait_until(
    what_is_missing: Callable[[], str | None],
    *,
    timeout_s: float,
    each_pass: Callable[[], None],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Return when nothing is missing; call `each_pass` before each look, which may raise.

    Raises:
        PlaneNotReady: something is still missing after `timeout_s`.
    """
    deadline = clock() + timeout_s
    while True:
        each_pass()
        missing = what_is_missing()
        if missing is None:
            return
        if clock() >= deadline:
            raise PlaneNotReady(
                f"The control plane was not ready after {timeout_s:.0f} s ({missing}).",
                next_step="Its logs are kept; start it again on a machine with less to do.",
            )
        sleep(POLL_S)


def apply_nodes(client: ApiClient, specs: Sequence[NodeSpec]) -> tuple[str, ...]:
    """Make the machines of the cluster those of `specs`; return the names that were changed.

    Nodes without our annotation belong to somebody else and stay. A machine that is as it was costs no
    request. What others set on a node (labels, taints, cordon) is kept.
    """
    present = {node["metadata"]["name"]: node for node in client.request("GET", "/api/v1/nodes")["items"]}
    changed: list[str] = []
    for spec in specs:
        node = present.get(spec.name)
        before = _spec_before(node)
        if before == spec:
            continue
        path = f"/api/v1/nodes/{spec.name}"
        taints = merge_taints(node.get("spec", {}).get("taints", ()) if node else (), before, spec)
        client.apply(path, build_node(spec, taints))
        client.apply(f"{path}/status", build_node_status(spec))
        changed.append(spec.name)
    wanted = {spec.name for spec in specs}
    for name, node in present.items():
        if name not in wanted and SPEC_ANNOTATION in node["metadata"].get("annotations", {}):
            client.request("DELETE", f"/api/v1/nodes/{name}")
            changed.append(name)
    return tuple(changed)


def _spec_before(node: dict[str, Any] | None) -> NodeSpec | None:
    try:
        return parse_spec(node["metadata"]["annotations"][SPEC_ANNOTATION]) if node else None
    except (ValueError, KeyError, TypeError):
        return None
