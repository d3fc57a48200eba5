"""What the emulator and the fast commands import must not pull pydantic in."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["catalogue", "clock", "errors", "money", "price_book"])
def test_facts_are_read_without_pydantic(module: str) -> None:
    """Costs a fresh interpreter each (tens of ms): imports of this process would hide the mistake."""
    code = f"import sys, sophia_infra.model.{module}; print('pydantic' in sys.modules, 'yaml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_the_schema_is_printed_for_editors() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sophia_infra.model.schema"], capture_output=True, text=True, check=True
    )
    assert '"sophia:fleet"' in done.stdout
    assert done.stderr == ""
