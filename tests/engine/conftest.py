"""The real engine for every test of this tier: found, or built with a line that says so."""

from __future__ import annotations

from tests.engine.engine_fixtures import engine, project

__all__ = ["engine", "project"]
