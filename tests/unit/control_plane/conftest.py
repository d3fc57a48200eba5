from __future__ import annotations

from pathlib import Path

import pytest

from sophia_infra.engine.home import Home, open_home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "checkout").mkdir()
    return open_home(checkout=tmp_path / "checkout", environ={})
