"""Files of the checkout, and what the stack file switches on."""

from __future__ import annotations

import os
import re

from sophia_infra.validation.measured import Measured, judge, not_known
from sophia_infra.validation.world import World

__all__ = [
    "dockerfile_has_stage",
    "file_is_there",
    "forecast_beats_baselines",
    "scaler_is_on",
    "script_runs",
    "stacks_are_there",
    "training_cluster_is_declared",
]

_NO_CHECKOUT = "this program was installed without its scripts and docs"
_LEAST_PAGE_BYTES = 400
_ACCURACY_FILE = "docs/scaling.md"
_ACCURACY_ROW = re.compile(r"^\| [a-z]+ \|(?: [0-9.]+ \|){4} ([0-9.]+) \|", re.M)


def file_is_there(world: World, path: str) -> Measured:
    """A page or a file with contents."""
    if world.repository is None:
        return not_known(_NO_CHECKOUT, path)
    file = world.repository / path
    size = file.stat().st_size if file.is_file() else 0
    return judge(size >= _LEAST_PAGE_BYTES, f"{size} bytes" if size else "not there", path)


def script_runs(world: World, path: str) -> Measured:
    """A script of the plan's name, which may be executed when it is none of Python's."""
    if world.repository is None:
        return not_known(_NO_CHECKOUT, path)
    file = world.repository / path
    if not file.is_file():
        return judge(False, "not there", path)
    runs = file.suffix == ".py" or os.access(file, os.X_OK)
    return judge(runs, "there" if runs else "not executable", path)


def dockerfile_has_stage(world: World, stage: str) -> Measured:
    """The one Dockerfile has a stage of this name."""
    if world.repository is None:
        return not_known(_NO_CHECKOUT, "docker/Dockerfile")
    file = world.repository / "docker" / "Dockerfile"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    there = re.search(rf"^FROM .* AS {re.escape(stage)}$", text, re.M | re.I) is not None
    return judge(there, f"stage {stage}" if there else f"no stage {stage}", "docker/Dockerfile")


def stacks_are_there(world: World, names: str) -> Measured:
    """`<name> <name>`: a file for each stack."""
    root = world.repository
    if root is None:
        return not_known(_NO_CHECKOUT, "Pulumi.<stack>.yaml")
    missing = [name for name in names.split() if not (root / f"Pulumi.{name}.yaml").is_file()]
    shown = f"{len(names.split()) - len(missing)} of {len(names.split())}"
    return judge(
        not missing, shown + (f": not {', '.join(missing)}" if missing else ""), "Pulumi.<stack>.yaml"
    )


def training_cluster_is_declared(world: World, name: str) -> Measured:
    """The training cluster, with its limits in nodes, dollars and hours."""
    evidence = f"Pulumi.{world.name}.yaml, sophia:training"
    cluster = world.config.training_clusters.get(name)
    if cluster is None:
        return not_known(f"off: the stack file has no training cluster {name}", evidence)
    least = cluster.min_nodes or cluster.max_nodes
    shown = f"{cluster.type}, {least} to {cluster.max_nodes} nodes, at most ${cluster.max_usd} or "
    return judge(True, f"{shown}{cluster.max_hours} h", evidence)


def scaler_is_on(world: World, _argument: str) -> Measured:
    """A pool of the node scaler follows a forecast."""
    evidence = f"Pulumi.{world.name}.yaml, sophia:scaler"
    scaler = world.config.scaler
    if scaler is None:
        return not_known("off: the stack file has no sophia:scaler", evidence)
    ahead = [
        name for name, pool in scaler.pools.items() if any(row.source == "forecast" for row in pool.demand)
    ]
    if not ahead:
        return not_known("off: no pool of sophia:scaler asks for a forecast", evidence)
    return judge(True, f"pools {', '.join(ahead)}", evidence)


def forecast_beats_baselines(world: World, most: str) -> Measured:
    """The published table of forecast errors: none above so many times the best baseline."""
    if world.repository is None:
        return not_known(_NO_CHECKOUT, _ACCURACY_FILE)
    file = world.repository / _ACCURACY_FILE
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    ratios = [float(ratio) for ratio in _ACCURACY_ROW.findall(text)]
    if not ratios:
        return not_known("the page has no table of accuracy", _ACCURACY_FILE)
    shown = f"error {min(ratios):.2f} to {max(ratios):.2f} times the best baseline, {len(ratios)} loads"
    return judge(max(ratios) <= float(most), shown, _ACCURACY_FILE)
