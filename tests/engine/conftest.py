"""The real engine for every test of this tier: found, or built with a line that says so."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from engine_fixtures import engine, project

__all__ = ["engine", "project"]
