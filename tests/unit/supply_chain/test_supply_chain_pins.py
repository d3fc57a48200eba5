"""What is fetched to build, test or run this is named so that nobody can put something else in its place."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
LOCKS = sorted(
    path
    for path in (
        *ROOT.glob("*.lock"),
        *ROOT.glob("docker/*/*.lock"),
        *ROOT.glob("tests/foreign/locks/*.lock"),
    )
)
GO_MODULES = sorted(ROOT.glob("tools/**/go.mod"))
WORKFLOWS = sorted((ROOT / ".github").rglob("*.yml"))
SHA256 = re.compile(r"--hash=sha256:[0-9a-f]{64}")
COMMIT = re.compile(r"[\w./-]+@[0-9a-f]{40}")


def requirements(lock: Path) -> list[str]:
    """Each requirement of a lock in one line, hashes included."""
    joined = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = (line.strip() for line in joined.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_every_python_package_is_one_version_with_its_hashes(lock: Path) -> None:
    found = requirements(lock)
    assert len(found) > 3
    for line in found:
        assert re.match(r"[A-Za-z0-9._-]+(\[[\w,-]+\])?==\S+", line), f"{line[:80]}: no exact version"
        assert SHA256.search(line), f"{line[:80]}: no hash"
        assert "://" not in line.partition("--hash")[0], f"{line[:80]}: from an address of its own"


def test_the_lock_holds_every_dependency_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(one for rows in project["optional-dependencies"].values() for one in rows),
    ]
    names = {name_of(one) for one in wanted} - {"sophia-infra"}
    assert names <= {name_of(line) for line in requirements(ROOT / "requirements.lock")}


def name_of(requirement: str) -> str:
    matched = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert matched, requirement
    return matched[0].lower().replace("_", "-").replace(".", "-")


@pytest.mark.parametrize("recipe", ["Makefile", "docker/Dockerfile"])
def test_no_recipe_installs_a_package_without_asking_for_hashes(recipe: str) -> None:
    text = (ROOT / recipe).read_text(encoding="utf-8")
    installing = [
        line for line in text.splitlines() if re.search(r"pip['\", ]+install\b.*-r\b|\(PIP\).*-r\b", line)
    ]
    assert installing
    for line in installing:
        assert "--require-hashes" in line, line.strip()


@pytest.mark.parametrize("module", GO_MODULES, ids=lambda module: module.parent.name)
def test_every_go_module_has_its_sum(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    sums = (module.parent / "go.sum").read_text(encoding="utf-8")
    known = {(path, version) for path, version in re.findall(r"^(\S+) (\S+)/go\.mod h1:\S{44}$", sums, re.M)}
    replaced = set(re.findall(r"^\s*(?:replace )?(\S+)(?: \S+)? => ", text, re.M))
    wanted = set(re.findall(r"^\s*(?:require )?(\S+\.\S+/\S+|\S+\.\S+) (v\S+)(?: //.*)?$", text, re.M))
    assert len(wanted) > 20
    assert {one for one in wanted if one[0] not in replaced} <= known
    assert not re.search(r"=> \.\./\.\.", text), "a module of outside this repository"


def uses(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "uses" and isinstance(value, str):
                yield value
            else:
                yield from uses(value)
    elif isinstance(node, list):
        for value in node:
            yield from uses(value)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.stem)
def test_every_action_is_a_commit_and_not_a_name_that_moves(workflow: Path) -> None:
    found = list(uses(yaml.safe_load(workflow.read_text(encoding="utf-8"))))
    assert found
    for one in found:
        assert one.startswith("./") or COMMIT.fullmatch(one), one


@pytest.mark.parametrize(
    "workflow", [one for one in WORKFLOWS if one.name != "action.yml"], ids=lambda workflow: workflow.stem
)
def test_every_workflow_says_what_its_token_may_do(workflow: Path) -> None:
    document = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    assert "permissions" in document
    assert document["permissions"] in ({}, {"contents": "read"})


@pytest.mark.slow
def test_the_auditor_of_workflows_finds_nothing() -> None:
    """Costs a second; buys template injection, credentials left behind and caches that can be poisoned."""
    zizmor = ROOT / ".venv/bin/zizmor"
    done = subprocess.run(
        [zizmor, "--quiet", "--offline", "--min-severity", "medium", ROOT / ".github"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_of_the_foreign_clients_has_its_checksum() -> None:
    packages = json.loads((ROOT / "tests/foreign/package-lock.json").read_text(encoding="utf-8"))["packages"]
    fetched = {name: row for name, row in packages.items() if name}
    assert fetched
    assert [name for name, row in fetched.items() if not row.get("integrity", "").startswith("sha512-")] == []


def test_a_base_image_without_a_digest_builds_nothing_for_release() -> None:
    """Here no registry answers, so that digests stay open; the recipe refuses what is open."""
    bake = (ROOT / "docker-bake.hcl").read_text(encoding="utf-8")
    assert "none: run sophia images lock" in bake
    assert re.search(r'variable "ALLOW_UNLOCKED" \{[^}]*default\s*=\s*false', bake)
    recipe = (ROOT / "docker/Dockerfile").read_text(encoding="utf-8")
    stages = set(re.findall(r"^FROM .* AS (\S+)", recipe, re.M))
    bases = set(re.findall(r"^FROM (\S+)", recipe, re.M)) - stages
    assert bases == {
        "scratch",
        "${KIND}-manifests",
        "${KIND}-source",
        "${PYTHON_IMAGE}",
        "${RUNTIME_IMAGE}",
        "${CUDA_IMAGE}",
    }


def test_production_takes_images_by_digest_only() -> None:
    config = yaml.safe_load((ROOT / "Pulumi.production.yaml").read_text(encoding="utf-8"))["config"]
    assert config["sophia:kubernetes"]["images"]["require_digest"] is True
