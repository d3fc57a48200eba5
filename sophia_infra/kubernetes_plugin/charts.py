"""What a Release's inputs say about its chart: a folder, an archive, a repository or a registry."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_REPOSITORY_FLAGS = {
    "repo": "--repo",
    "username": "--username",
    "password": "--password",
    "caFile": "--ca-file",
    "certFile": "--cert-file",
    "keyFile": "--key-file",
}


def is_local(chart: str) -> bool:
    """Whether a chart lies on this machine."""
    return not chart.startswith("oci://") and Path(chart).expanduser().exists()


def local_version(chart: str) -> str | None:
    """The version in the Chart.yaml of a folder or archive; None when there is none to be read."""
    path = Path(chart).expanduser()
    try:
        text = _chart_yaml_in(path) if path.is_file() else (path / "Chart.yaml").read_text(encoding="utf-8")
        document = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, tarfile.TarError, KeyError):
        return None
    return str(document["version"]) if isinstance(document, dict) and document.get("version") else None


def why_chart_is_refused(inputs: Mapping[str, Any]) -> tuple[str, str] | None:
    """Property and sentence for a chart that is not there or not the pinned one; None for a good one."""
    chart, version = inputs.get("chart"), inputs.get("version")
    repository = inputs.get("repositoryOpts") or {}
    if not isinstance(chart, str) or not isinstance(repository, dict):
        return None if chart is not None else ("chart", "a Release needs a chart")
    if is_local(chart):
        found = local_version(chart)
        if found is None:
            return "chart", f"{chart} is no chart: there is no Chart.yaml with a version in it"
        if isinstance(version, str) and version.removeprefix("v") != found.removeprefix("v"):
            return "version", f"the chart in {chart} has version {found}, not {version}"
        return None
    if not repository.get("repo") and not chart.startswith("oci://"):
        return (
            "chart",
            f"there is no chart {chart!r} on this machine, and repositoryOpts.repo names no repository",
        )
    if version is None:
        return (
            "version",
            "a chart out of a repository needs a version: without one every run could get another",
        )
    return None


def chart_arguments(inputs: Mapping[str, Any]) -> list[str]:
    """The chart as helm's command line takes it."""
    chart = str(inputs["chart"])
    if is_local(chart):
        return [str(Path(chart).expanduser())]
    arguments = [chart, "--version", str(inputs["version"])]
    repository = inputs.get("repositoryOpts") or {}
    for key, flag in _REPOSITORY_FLAGS.items():
        if repository.get(key):
            arguments += [flag, str(repository[key])]
    return arguments


def merged_values(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Values files, in order, and the values over them."""
    merged: dict[str, Any] = {}
    for text in inputs.get("valueYamlFiles") or ():
        merged = _merge(merged, yaml.safe_load(text) or {})
    return dict(_merge(merged, inputs.get("values") or {}))


def _merge(under: Any, over: Any) -> Any:
    if isinstance(under, dict) and isinstance(over, Mapping):
        return {**under, **{key: _merge(under.get(key), item) for key, item in over.items()}}
    return over


def _chart_yaml_in(archive: Path) -> str:
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name.count("/") == 1 and member.name.endswith("/Chart.yaml"):
                stream = tar.extractfile(member)
                return stream.read().decode() if stream else ""
    raise KeyError("Chart.yaml")
