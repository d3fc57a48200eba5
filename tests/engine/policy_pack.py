"""A copy of our policy pack for a test, run by the Python of the test and with files of the test's own."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.engine.project import CHECKOUT

__all__ = ["copy_policy_pack", "write_json"]


def copy_policy_pack(target: Path, *, waivers: str = "waivers: []\n") -> Path:
    """`policies/` in `target`, with these waivers and without the settings of our own stacks."""
    shutil.copytree(CHECKOUT / "policies", target, ignore=shutil.ignore_patterns("__pycache__", "config"))
    (target / "waivers.yaml").write_text(waivers, encoding="utf-8")
    description = yaml.safe_load((target / "PulumiPolicy.yaml").read_text(encoding="utf-8"))
    description["runtime"]["options"]["virtualenv"] = sys.prefix
    (target / "PulumiPolicy.yaml").write_text(yaml.safe_dump(description), encoding="utf-8")
    return target


def write_json(file: Path, document: Any) -> Path:
    """`document` as JSON in `file`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document), encoding="utf-8")
    return file
