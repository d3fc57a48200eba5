"""The workflow of the images says what the actions understand, and what the plan asks of a build."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / ".github" / "workflows" / "images.yml").read_text("utf-8")
WORKFLOW = yaml.safe_load(TEXT)

# Inputs that the action.yml of each pinned commit has, read on 2026-11-24; those that are of use here.
INPUTS = {
    "docker/bake-action": "files load no-cache provenance pull push sbom set source targets",
    "docker/setup-buildx-action": "buildkitd-flags cache-binary driver driver-opts platforms version",
    "docker/login-action": "logout password registry username",
    "actions/checkout": "path persist-credentials ref repository",
    "actions/upload-artifact": "if-no-files-found name overwrite path retention-days",
    "actions/download-artifact": "artifact-ids merge-multiple name path pattern",
}


def _steps(job: str | None = None) -> Iterator[dict[str, Any]]:
    for name, found in WORKFLOW["jobs"].items():
        if job in (None, name):
            yield from found["steps"]


def _bake() -> dict[str, Any]:
    return next(step["with"] for step in _steps("build") if step.get("uses", "").startswith("docker/bake"))


def test_every_action_is_pinned_and_gets_inputs_that_it_has() -> None:
    for step in _steps():
        if "uses" not in step:
            continue
        action, _, commit = step["uses"].partition("@")
        assert re.fullmatch(r"[0-9a-f]{40}", commit), action
        assert set(step.get("with", ())) <= set(INPUTS[action].split()), action


def test_the_cache_goes_in_and_out_whole_for_each_image_and_architecture() -> None:
    settings = _bake()["set"].splitlines()
    scope = "scope=${{ matrix.image.target }}-${{ matrix.architecture }}"
    assert f"*.cache-from=type=gha,{scope}" in settings
    assert f"*.cache-to=type=gha,{scope},mode=max" in settings


def test_what_is_pushed_says_where_it_is_from_and_what_is_in_it() -> None:
    assert _bake()["provenance"] == "mode=max"
    assert _bake()["sbom"].startswith("generator=")


def test_each_architecture_is_built_on_a_machine_of_its_own() -> None:
    build = WORKFLOW["jobs"]["build"]
    assert build["strategy"]["matrix"]["architecture"] == ["amd64", "arm64"]
    assert "ubuntu-24.04-arm" in build["runs-on"]
    assert "setup-qemu" not in TEXT


def test_only_a_pull_request_may_use_tags_that_are_not_locked_and_it_pushes_nothing() -> None:
    assert WORKFLOW["env"]["ALLOW_UNLOCKED"] == "${{ github.event_name == 'pull_request' }}"
    assert WORKFLOW["env"]["PUSH"] == "${{ github.event_name == 'push' || inputs.push == true }}"
    assert WORKFLOW["jobs"]["join"]["if"] == "github.event_name == 'push' || inputs.push == true"


def test_the_budget_is_asked_before_a_digest_leaves_the_machine() -> None:
    steps = list(_steps("build"))
    gate = next(at for at, step in enumerate(steps) if "images budget" in step.get("run", ""))
    handed_on = next(at for at, step in enumerate(steps) if "upload-artifact" in step.get("uses", ""))
    assert gate < handed_on
    assert steps[gate]["shell"] == "bash"  # with pipefail: tee would hide the gate's exit code
    assert "BUILDX_METADATA_PROVENANCE" in str(steps[gate - 1]["env"])
    assert WORKFLOW["jobs"]["join"]["needs"] == ["targets", "build"]


@pytest.mark.parametrize(
    "file",
    [".github/workflows/images.yml", "docker-bake.hcl", "docker/Dockerfile", "docker/images.lock.json"],
)
def test_no_registry_is_named(file: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    assert re.findall(r"\b[a-z0-9-]+\.(?:io|com|dev|org)/", text) == []
