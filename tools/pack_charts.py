"""Make the packaged data of `sophia_infra/charts` from the collected facts about charts and definitions.

    python tools/pack_charts.py path/to/facts sophia_infra/charts/data

Reads `chart-keys/<chart>.json` and `crds.json` below the facts, writes `keys-<chart>.json` for every pinned
chart and `custom-resources.json`. The same facts give the same bytes.

Value keys become one tree per chart. A map with known keys is an object; a leaf is "b" (its default is a
boolean), "s" (another scalar) or "*" (anything may stand there and below). Wider than the lists are:
paths that only templates read, charts of others inside a chart that have no list, maps whose keys the user
chooses, and maps that are a Kubernetes type and get all the fields of that type.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sophia_infra.charts.pins import CHARTS

FREE, BOOLEAN, SCALAR = "*", "b", "s"

FREE_TYPES = frozenset({"object-empty", "array", "null"})

FREE_PATHS: Mapping[str, tuple[str, ...]] = {
    "gpu-operator": ("node-feature-discovery.worker.config", "node-feature-discovery.master.config"),
    "kube-prometheus-stack": ("alertmanager.config", "grafana.grafana\\.ini"),
    "kueue": ("metrics.serviceMonitor.tlsConfig",),
}
"""Maps with defaults that are configuration files of another program: their keys are not the chart's."""

USER_KEYED = ("labels", "annotations", "nodeselector", "limits", "requests", "env")
"""Endings (lower case) of names of maps from text to text: a default key says nothing about the others."""

_SECURITY_CONTEXT = """
    allowPrivilegeEscalation appArmorProfile capabilities fsGroup fsGroupChangePolicy privileged procMount
    readOnlyRootFilesystem runAsGroup runAsNonRoot runAsUser seLinuxChangePolicy seLinuxOptions
    seccompProfile supplementalGroups supplementalGroupsPolicy sysctls windowsOptions
"""
_PROBE = """
    exec failureThreshold grpc httpGet initialDelaySeconds periodSeconds successThreshold tcpSocket
    terminationGracePeriodSeconds timeoutSeconds
"""
KUBERNETES_TYPES: Mapping[str, frozenset[str]] = {
    "securitycontext": frozenset(_SECURITY_CONTEXT.split()),
    "probe": frozenset(_PROBE.split()),
    "affinity": frozenset({"nodeAffinity", "podAffinity", "podAntiAffinity"}),
    "resources": frozenset({"limits", "requests", "claims"}),
    "strategy": frozenset({"type", "rollingUpdate"}),
}
"""Ending (lower case) of a map's name -> all fields of the Kubernetes type that the chart copies from it."""

CHART_OF_SOURCE: Mapping[str, str] = {
    "gpu-operator": "gpu-operator",
    "node-feature-discovery": "gpu-operator",
    "external-secrets": "external-secrets",
    "prometheus-operator": "kube-prometheus-stack",
    "keda": "keda",
    "argo-rollouts": "argo-rollouts",
    "kueue": "kueue",
    "jobset": "jobset",
    "lws": "lws",
    "kubeflow-trainer": "kubeflow-trainer",
}
"""First word of a definition's source -> the chart that installs it. Other sources are left out."""


VERSION_KEYS = (
    "name",
    "served",
    "storage",
    "deprecated",
    "status",
    "scale",
    "topFields",
    "specFields",
    "required",
)


def split_path(path: str) -> list[str]:
    """The keys of a dotted path; a backslash keeps the dot after it inside a key."""
    keys, escaped = [""], False
    for character in path:
        if escaped:
            keys[-1] += character
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == ".":
            keys.append("")
        else:
            keys[-1] += character
    return keys


def put(tree: dict[str, Any], keys: list[str], leaf: str) -> None:
    """Add one path; a map on the way stays a map, and what is free-form already stays free-form."""
    node = tree
    for key in keys[:-1]:
        below = node.setdefault(key, {})
        if not isinstance(below, dict):
            if below == FREE:
                return
            below = node[key] = {}
        node = below
    if leaf == FREE or not isinstance(node.get(keys[-1]), dict):
        node[keys[-1]] = leaf


def paths_to_tree(keys: list[list[str]], template_only: list[list[str]]) -> dict[str, Any]:
    """Tree of one chart's lists, before anything is widened."""
    tree: dict[str, Any] = {}
    for path, kind in keys:
        if kind == "object":
            continue  # has children, which make it a map
        put(tree, split_path(path), FREE if kind in FREE_TYPES else BOOLEAN if kind == "boolean" else SCALAR)
    # Longest first: a path that templates read below makes the one above it a map.
    for path, _ in sorted(template_only, key=lambda row: -len(split_path(row[0]))):
        keys_of_path = split_path(path)
        if lookup(tree, keys_of_path) is None:
            put(tree, keys_of_path, FREE)
    return tree


def lookup(tree: dict[str, Any], keys: list[str]) -> Any:
    """The node at a path; the leaf above it where the path leads below one; None where there is nothing."""
    node: Any = tree
    for key in keys:
        if not isinstance(node, dict):
            return node
        node = node.get(key)
    return node


def merge(base: dict[str, Any], more: dict[str, Any]) -> None:
    """Add `more` to `base`; free-form wins over a map, a map over a scalar."""
    for key, node in more.items():
        ours = base.get(key)
        if isinstance(ours, dict) and isinstance(node, dict):
            merge(ours, node)
        elif ours is None or node == FREE or (isinstance(node, dict) and ours != FREE):
            base[key] = node


def widen(name: str, node: dict[str, Any], inherited: frozenset[str]) -> Any:
    """`node` with user-keyed maps made free-form and Kubernetes types completed.

    Args:
        inherited: fields that apply one level deeper, for charts that have one such map per component.
    """
    folded = name.casefold()
    scalar_keys = [key for key, below in node.items() if not isinstance(below, dict) and below != FREE]
    if folded.endswith(USER_KEYED) and len(scalar_keys) == len(node):
        return FREE
    fields = next((every for end, every in KUBERNETES_TYPES.items() if folded.endswith(end)), inherited)
    applies = bool(fields & set(node)) or set(node) == {"enabled"}
    widened = {
        key: widen(key, below, frozenset() if applies else fields) if isinstance(below, dict) else below
        for key, below in node.items()
    }
    if applies:
        widened.update((field, FREE) for field in sorted(fields - set(node)))
    return widened


def key_tree(document: dict[str, Any]) -> dict[str, Any]:
    """The whole tree of one chart-keys document, subcharts included."""
    tree = paths_to_tree(document["keys"], document["templateOnly"])
    for dependency in document["dependencies"]:
        key = dependency["alias"] or dependency["name"]
        subchart = document["subcharts"].get(dependency["name"])
        if subchart is None:
            tree[key] = FREE  # nobody listed its keys, so none can be called wrong
        else:
            merge(tree, {key: paths_to_tree(subchart["keys"], subchart["templateOnly"])})
        for condition in (dependency["condition"] or "").split(","):
            if condition and lookup(tree, split_path(condition)) is None:
                put(tree, split_path(condition), BOOLEAN)
    for path in FREE_PATHS.get(document["chart"], ()):
        put(tree, split_path(path), FREE)
    return {
        key: widen(key, node, frozenset()) if isinstance(node, dict) else node for key, node in tree.items()
    }


def custom_resources(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One row per definition that a pinned chart installs; flags that are false are left out."""
    for crd in document["crds"]:
        chart = CHART_OF_SOURCE.get(crd["from"].split()[0])
        if chart is None:
            continue
        row = {"chart": chart, "source": crd["from"]}
        row |= {key: crd[key] for key in ("group", "kind", "plural", "shortNames", "scope")}
        row["versions"] = [_version(version) for version in crd["versions"]]
        yield row


def _version(version: dict[str, Any]) -> dict[str, Any]:
    return {
        key: version[key]
        for key in VERSION_KEYS
        if version.get(key) is not None and version[key] is not False
    }


def pack(facts: Path) -> dict[str, str]:
    """File name -> text of every packaged file."""
    files = {}
    for name in CHARTS:
        document = json.loads((facts / "chart-keys" / f"{name}.json").read_text(encoding="utf-8"))
        files[f"keys-{name}.json"] = _compact(key_tree(document)) + "\n"
    rows = custom_resources(json.loads((facts / "crds.json").read_text(encoding="utf-8")))
    files["custom-resources.json"] = "[\n" + ",\n".join(_compact(row) for row in rows) + "\n]\n"
    return files


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print("usage: python tools/pack_charts.py FACTS TARGET_FOLDER", file=sys.stderr)
        return 2
    target = Path(arguments[1])
    for name, text in pack(Path(arguments[0])).items():
        (target / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
