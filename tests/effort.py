"""How much a run tries: all that is promised in CI, and elsewhere a share of it, for an answer in minutes.

Only counts of examples and repetitions depend on it, never which behaviour is looked at.
"""

from __future__ import annotations

import os

__all__ = ["FULL", "examples"]

FULL = os.environ.get("CI", "").lower() == "true" or os.environ.get("SOPHIA_FULL") == "1"

_LOCAL_SHARE = 5
_FEWEST = 8


def examples(full: int) -> int:
    """So many in CI; elsewhere a fifth of them, and never fewer than eight unless that is all."""
    return full if FULL else min(full, max(_FEWEST, full // _LOCAL_SHARE))
