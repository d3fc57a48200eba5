"""The one way in which times are taken here."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["least"]


def least(rounds: int, work: Callable[[], object]) -> float:
    """The least seconds that `work` took in `rounds` tries."""
    took_s = []
    for _ in range(rounds):
        began_s = time.perf_counter()
        work()
        took_s.append(time.perf_counter() - began_s)
    return min(took_s)
