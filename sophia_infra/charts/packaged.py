"""Reads the packaged data. `tools/pack_charts.py` makes it; nothing is read before somebody asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["load_data"]

_DATA = Path(__file__).with_name("data")


def load_data(name: str) -> Any:
    """Content of one file of `data/`, by its name without `.json`."""
    return json.loads((_DATA / f"{name}.json").read_text(encoding="utf-8"))
