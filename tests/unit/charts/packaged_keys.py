"""The packaged key lists as tests read them: straight from the files, past the code under test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import sophia_infra.charts

DATA = Path(sophia_infra.charts.__file__).with_name("data")

Keys = tuple[str, ...]


def key_tree(chart: str) -> dict[str, Any]:
    """Known keys of one chart; leaves are "b" (boolean), "s" (another scalar), "*" (anything)."""
    return cast("dict[str, Any]", json.loads((DATA / f"keys-{chart}.json").read_text(encoding="utf-8")))


def nodes(tree: dict[str, Any], above: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Every path of the tree with its node, maps included."""
    for key, node in tree.items():
        yield (*above, key), node
        if isinstance(node, dict):
            yield from nodes(node, (*above, key))


def nested(path: Keys, leaf: Any) -> dict[str, Any]:
    """Values with one leaf at one path."""
    value = leaf
    for key in reversed(path):
        value = {key: value}
    return cast("dict[str, Any]", value)
