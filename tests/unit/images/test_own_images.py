"""What goes into an image of this repository is enough to run it, and follows from its own lock."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.unit.images.dockerfile_graph import Instruction, read_graph

ROOT = Path(__file__).parents[3]
PACKAGES = {
    "gateway": "sophia_infra.inference.gateway",
    "exporter": "sophia_infra.exporter",
    "scaler": "sophia_infra.scaling.serving",
}
"""Kind of the image -> the package that it runs."""

OPTIONAL = {
    "matplotlib",
    "snowflake",
}  # extras `plot` and `snowflake`: imported by commands, not by the server

kinds = pytest.mark.parametrize("kind", PACKAGES)


def _copies(kind: str) -> Iterator[Instruction]:
    graph = read_graph(ROOT / "docker" / "Dockerfile")
    for stage in (f"{kind}-manifests", f"{kind}-source"):
        yield from graph.stage(stage).instructions


def _lock(kind: str) -> Path:
    return ROOT / "docker" / kind / "requirements.lock"


def _locked(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[a-z]+\])?==(\S+)", path.read_text("utf-8"), re.MULTILINE))


def _imports(*rooms: str) -> set[str]:
    found: set[str] = set()
    for room in rooms:
        for path in (ROOT / "sophia_infra" / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    found.update(alias.name.partition(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"sophia_infra"}


def _missing(modules: set[str], kind: str) -> set[str]:
    locked, distributions = _locked(_lock(kind)), packages_distributions()
    return {
        module
        for module in modules
        if not any(name.lower().replace("_", "-") in locked for name in distributions.get(module, ()))
    }


def _place(kind: str, folder: Path) -> None:
    """Lay what the image has of this repository into `folder`."""
    for copy in _copies(kind):
        for source in copy.value[:-1]:
            place = folder / copy.value[-1].lstrip("/")
            if (ROOT / source).is_dir():
                ignore = shutil.ignore_patterns("__pycache__", "mock_backend")
                shutil.copytree(ROOT / source, place, ignore=ignore)
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, place)


ALONE = """
import sys
sys.meta_path[:] = [one for one in sys.meta_path if "editable" not in getattr(one, "__module__", "")]
"""
"""The checkout is installed: what the image lacks would be found there, whatever PYTHONPATH says."""

IMPORT_ALL = (
    ALONE
    + """
import importlib, json, pkgutil
before = set(sys.modules)
package = importlib.import_module(sys.argv[1])
names = [found.name for found in pkgutil.iter_modules(package.__path__)]
assert names
for name in names: importlib.import_module(f"{package.__name__}.{name}")
import sophia_infra
for optional in sys.argv[2:]: importlib.import_module(optional)
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps([package.__path__[0], sorted(new - set(sys.stdlib_module_names) - {"sophia_infra"})]))
"""
)

RUN = (
    ALONE
    + """
import runpy
module, *sys.argv[1:] = sys.argv[1:]
runpy.run_module(module, run_name="__main__")
"""
)


def _run(kind: str, folder: Path, *more: str) -> tuple[Path, set[str]]:
    """Where the package is and which modules of others were imported, by the image's own files alone."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, PACKAGES[kind], *more],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    path, modules = json.loads(done.stdout)
    return Path(path), set(modules)


def test_every_import_of_the_gateway_is_in_its_lock() -> None:
    assert _missing(_imports("inference", "model") - OPTIONAL, "gateway") == set()


def test_every_import_of_the_exporter_is_in_its_lock_and_no_more(tmp_path: Path) -> None:
    _place("exporter", tmp_path)
    # The client imports its transport once there is something to send.
    _, modules = _run("exporter", tmp_path, "sophia_infra.lambda_cloud.transport")
    known = packages_distributions()
    imported = {module for module in modules if module in known}
    assert {"requests", "urllib3", "prometheus_client"} <= imported
    assert _missing(imported, "exporter") == set()
    assert set(_locked(_lock("exporter"))) == {
        name.lower().replace("_", "-") for module in imported for name in known[module]
    }


def test_every_import_of_the_scaler_is_in_its_lock(tmp_path: Path) -> None:
    _place("scaler", tmp_path)
    later = ("lambda_cloud.transport", "metrics_client.prometheus", "joining.boot_text", "scaling.memory")
    packages = ("statsmodels.tsa.exponential_smoothing.ets", "holidays")
    _, modules = _run("scaler", tmp_path, *(f"sophia_infra.{name}" for name in later))
    assert {"requests", "urllib3", "prometheus_client", "pydantic", "numpy", "yaml"} <= modules
    named = {name.partition(".")[0] for name in packages}
    assert _missing(modules & set(packages_distributions()) | named, "scaler") == set()


@kinds
def test_its_versions_are_those_that_the_tests_run_with(kind: str) -> None:
    ours = _locked(ROOT / "requirements.lock")
    own = _locked(_lock(kind))
    assert own
    assert {name: version for name, version in own.items() if ours.get(name) != version} == {}
    assert not {"pulumi", "pulumi-kubernetes", "typer", "snowflake-connector-python"} & set(own)


@kinds
def test_every_line_of_the_lock_has_a_hash(kind: str) -> None:
    text = _lock(kind).read_text("utf-8")
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "http" not in re.sub(r"^(httpx2|httpcore|httptools)\S*", "", text, flags=re.MULTILINE)


def test_the_build_sees_the_files_that_it_copies_and_no_others() -> None:
    ignore = (ROOT / "docker" / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    shown = [line[1:] for line in ignore if line.startswith("!")]
    assert ignore[1] == "*"
    copied = {source for kind in PACKAGES for copy in _copies(kind) for source in copy.value[:-1]}
    assert sorted(shown) == sorted(copied)


@kinds
def test_the_files_in_the_image_are_enough_to_import_it(kind: str, tmp_path: Path) -> None:
    _place(kind, tmp_path)
    path, _ = _run(kind, tmp_path)
    assert path == tmp_path / PACKAGES[kind].replace(".", "/")


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [("exporter", ()), ("scaler", ("forecast",)), ("scaler", ("scaler", "--state", "."))],
)
def test_it_answers_from_the_files_in_the_image(
    kind: str, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    _place(kind, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", RUN, PACKAGES[kind], *arguments, "--config", "nowhere.json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        64,
        "error: nowhere.json: cannot be read: No such file or directory\n",
    )
