"""A private file in a folder that may not exist yet."""

from __future__ import annotations

from pathlib import Path

from sophia_infra.engine import home

__all__ = ["write_private_file"]


def write_private_file(path: Path, text: str) -> None:
    """Replace `path` by `text`, mode 0600; missing folders are made, mode 0700. See `engine.home`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.write_private_file(path, text)
