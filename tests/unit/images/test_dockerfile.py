"""docker/Dockerfile keeps each of its promises, and each rule notices when it is broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.images import recipe_rules as rules
from tests.unit.images.broken_recipes import BROKEN, Broken
from tests.unit.images.dockerfile_graph import BuildGraph, read_graph

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "docker" / "Dockerfile"


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_recipe_keeps(rule: rules.Rule) -> None:
    assert list(rule(read_graph(RECIPE))) == []


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.what)
def test_a_broken_recipe_is_noticed(broken: Broken) -> None:
    recipe = BuildGraph(broken.apply(RECIPE.read_text("utf-8")), contexts=frozenset(["service"]))
    assert list(broken.rule(recipe))


def test_every_rule_is_broken_once() -> None:
    assert {broken.rule for broken in BROKEN} == set(rules.RULES)


@pytest.mark.parametrize("name", ["Dockerfile.mcp-optimized", "Dockerfile.backend-optimized"])
def test_the_plans_names_are_the_same_recipe(name: str, tmp_path: Path) -> None:
    servers = [tmp_path / "mcp-servers" / server for server in ("gong", "slack")]
    for server in servers:
        server.mkdir(parents=True)
        subprocess.run(["cp", RECIPE.with_name(name), server / "Dockerfile"], check=True)
        assert not (server / "Dockerfile").is_symlink()
        assert (server / "Dockerfile").read_bytes() == RECIPE.read_bytes()


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "--no-color", RECIPE], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_hadolint_would_find_something(tmp_path: Path) -> None:
    worse = tmp_path / "Dockerfile"
    worse.write_text(
        RECIPE.read_text("utf-8").replace("FROM ${RUNTIME_IMAGE}", "FROM debian:latest"), "utf-8"
    )
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, worse], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "DL3007" in done.stdout
