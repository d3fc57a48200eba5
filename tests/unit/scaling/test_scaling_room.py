"""The room's public names: all there, and cheap for who only wants an error."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import sophia_infra.scaling as room


def test_every_public_name_is_there_and_no_module() -> None:
    assert room.__all__ == sorted(room.__all__, key=lambda name: (name[0].islower(), name))
    for name in room.__all__:
        assert not isinstance(getattr(room, name), ModuleType)


def test_an_error_costs_no_numpy_and_nothing_costs_statsmodels_before_a_fit() -> None:
    program = (
        "import sys; from sophia_infra.scaling import ScalingError; assert 'numpy' not in sys.modules;"
        "from sophia_infra.scaling import PredictiveScaler, PredictionGauges, LedgerSource;"
        "print([name for name in ('statsmodels', 'scipy', 'pandas', 'sqlalchemy', 'holidays', 'pulumi')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
