"""The policy pack's folder on the path, as the engine has it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "policies"))
