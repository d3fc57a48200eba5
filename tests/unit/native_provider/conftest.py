from __future__ import annotations

from tests.unit.provider.conftest import _clean_environment, _server, clock, stage

__all__ = ["_clean_environment", "_server", "clock", "stage"]
