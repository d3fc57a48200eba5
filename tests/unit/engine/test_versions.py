from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sophia_infra.engine.versions import (
    MINIMUM_GO,
    PINNED_ENGINE,
    Version,
    parse_version,
    why_engine_does_not_fit,
)

CHECKOUT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v3.259.0", Version(3, 259, 0)),
        ("3.300.12\n", Version(3, 300, 12)),
        ("go1.26", Version(1, 26, 0)),
        ("go1.27rc1", Version(1, 27, 0, "rc1")),
        ("3.260.0-dev.0", Version(3, 260, 0, "-dev.0")),
        ("", None),
        ("dev", None),
        ("devel go1.27-abc", None),
    ],
)
def test_versions_are_read_as_the_tools_print_them(text: str, version: Version | None) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize("text", ["v3.259.0", "v3.259.1", "v3.999.0"])
def test_releases_from_the_pin_to_the_next_major_fit(text: str) -> None:
    assert why_engine_does_not_fit(text) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("v3.258.9", "is 3.258.9, older than 3.259.0"),
        ("v4.0.0", "is 4.0.0, and this project is tested below 4.0.0"),
        ("v3.260.0-alpha.1a2b", "is the development build 3.260.0-alpha.1a2b"),
        ("", "calls itself 'nothing', which is no version (a development build?)"),
    ],
)
def test_an_engine_that_does_not_fit_is_told_why(text: str, reason: str) -> None:
    assert why_engine_does_not_fit(text) == reason


def test_the_pin_is_the_same_in_go_and_in_python() -> None:
    go_mod = (CHECKOUT / "tools" / "pulumi" / "go.mod").read_text()
    pyproject = (CHECKOUT / "pyproject.toml").read_text()
    assert re.search(rf"pulumi/pkg/v3 v{re.escape(PINNED_ENGINE)}\b", go_mod)
    assert re.search(rf"pulumi/sdk/v3 v{re.escape(PINNED_ENGINE)}\b", go_mod)
    assert f'"pulumi=={PINNED_ENGINE}"' in pyproject


def test_go_mod_asks_for_the_go_that_the_message_names() -> None:

    go_mod = (CHECKOUT / "tools" / "pulumi" / "go.mod").read_text()
    asked = re.search(r"^go (\S+)$", go_mod, re.MULTILINE)
    assert asked
    assert parse_version(asked[1]) == MINIMUM_GO


def test_the_language_host_finds_the_provider_plugins_of_this_environment() -> None:
    script = CHECKOUT / "tools" / "pulumi" / "cmd" / "pulumi-language-python" / "required_packages.py"
    command = [sys.executable, "-c", script.read_text()]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    version = importlib.metadata.version("pulumi-kubernetes")
    kubernetes = {"name": "kubernetes", "kind": "resource", "version": f"v{version}", "server": ""}
    assert kubernetes in json.loads(answer.stdout)
