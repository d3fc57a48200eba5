"""The stores' scripts outside a container: folders moved into a temporary one, servers replaced."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sophia_infra.manifests.stores import store

SCRIPTS = Path(store.__file__).with_name("scripts")
FOLDERS = ("/sophia", "/backup", "/run/redis", "/tmp/databases", "/qdrant/snapshots")  # noqa: S108


def install(root: Path) -> None:
    """Copy every script to `root`/sophia, with absolute folders moved below `root`."""
    for folder in ("sophia", "backup", "run/redis", "tmp", "bin", "qdrant"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for source in SCRIPTS.iterdir():
        text = source.read_text(encoding="utf-8")
        for folder in FOLDERS:
            text = text.replace(folder, f"{root}{folder}")
        (root / "sophia" / source.name).write_text(text, encoding="utf-8")


def fake(root: Path, name: str, text: str) -> None:
    """A program of that name in front of the real one."""
    path = root / "bin" / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def run(
    root: Path, script: str, *arguments: str, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash" if script.startswith("qdrant") else "sh", str(root / "sophia" / script), *arguments],
        env={"PATH": f"{root / 'bin'}:{os.environ['PATH']}", **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
