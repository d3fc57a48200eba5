"""What goes into the gateway's image is enough to run it, and follows from this repository's own lock."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.unit.images.dockerfile_graph import Instruction, read_graph

ROOT = Path(__file__).parents[3]
OPTIONAL = {
    "matplotlib",
    "snowflake",
}  # extras `plot` and `snowflake`: imported by commands, not by the server


def _copies() -> Iterator[Instruction]:
    graph = read_graph(ROOT / "docker" / "Dockerfile")
    for stage in ("gateway-manifests", "gateway-source"):
        yield from graph.stage(stage).instructions


def _locked(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[a-z]+\])?==(\S+)", path.read_text("utf-8"), re.MULTILINE))


def _imports() -> set[str]:
    found: set[str] = set()
    for room in ("inference", "model"):
        for path in (ROOT / "sophia_infra" / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    found.update(alias.name.partition(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"sophia_infra"}


def test_every_import_of_the_gateway_is_in_its_lock() -> None:
    locked = _locked(ROOT / "docker" / "gateway" / "requirements.lock")
    distributions = packages_distributions()
    missing = {
        module
        for module in _imports() - OPTIONAL
        if not any(name.lower().replace("_", "-") in locked for name in distributions.get(module, ()))
    }
    assert missing == set()


def test_the_gateways_versions_are_those_that_the_tests_run_with() -> None:
    ours = _locked(ROOT / "requirements.lock")
    gateway = _locked(ROOT / "docker" / "gateway" / "requirements.lock")
    assert {name: version for name, version in gateway.items() if ours.get(name) != version} == {}
    assert not {"pulumi", "pulumi-kubernetes", "typer", "snowflake-connector-python"} & set(gateway)


def test_every_line_of_the_lock_has_a_hash() -> None:
    text = (ROOT / "docker" / "gateway" / "requirements.lock").read_text("utf-8")
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "http" not in re.sub(r"^(httpx2|httpcore|httptools)\S*", "", text, flags=re.MULTILINE)


def test_the_build_sees_the_files_that_it_copies_and_no_others() -> None:
    ignore = (ROOT / "docker" / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    shown = {line[1:] for line in ignore if line.startswith("!")}
    assert ignore[1] == "*"
    assert shown == {source for copy in _copies() for source in copy.value[:-1]}


def test_the_files_in_the_image_are_enough_to_import_the_gateway(tmp_path: Path) -> None:
    for copy in _copies():
        for source in copy.value[:-1]:
            place = tmp_path / copy.value[-1].lstrip("/")
            if (ROOT / source).is_dir():
                shutil.copytree(
                    ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__", "mock_backend")
                )
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, place)
    program = (
        "import importlib, pkgutil, sophia_infra.inference.gateway as gateway\n"
        "names = [found.name for found in pkgutil.iter_modules(gateway.__path__) if found.name[0] != '_']\n"
        "assert names\n"
        "for name in names: importlib.import_module(f'{gateway.__name__}.{name}')\n"
        "print(gateway.__path__[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == tmp_path / "sophia_infra" / "inference" / "gateway"
