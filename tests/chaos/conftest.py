"""The engine tier's fixtures."""

from __future__ import annotations

from tests.engine.engine_fixtures import engine, project

__all__ = ["engine", "project"]
