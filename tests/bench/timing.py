"""The one way in which times are taken here."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["as_program", "least"]


def least(rounds: int, work: Callable[[], object]) -> float:
    """The least seconds that `work` took in `rounds` tries."""
    took_s = []
    for _ in range(rounds):
        began_s = time.perf_counter()
        work()
        took_s.append(time.perf_counter() - began_s)
    return min(took_s)


@contextmanager
def as_program() -> Iterator[None]:
    """Without the collector of garbage, as the entry of our Pulumi program runs (`__main__.py`)."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
