"""How a test says how many moments it tried, and how many of them a plain run tries."""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Callable, Iterator

__all__ = ["DISK_FAULTS", "TRIALS", "RecordProperty", "disk_error", "moments_of"]

TRIALS = "fault_trials"
"""Name of the property; its value is the number of times the fault struck."""

RecordProperty = Callable[[str, object], None]

DISK_FAULTS = {"disk full": errno.ENOSPC, "disk read-only": errno.EROFS}

_EVERY = 1 if os.environ.get("SOPHIA_FULL") == "1" else 9
_FARTHEST = 5000


def moments_of(name: str) -> Iterator[int]:
    """Moments to strike at: all of them in a full run, else every ninth from one that `name` chooses."""
    return iter(range(1 + zlib.crc32(name.encode()) % _EVERY, _FARTHEST, _EVERY))


def disk_error(fault: str) -> OSError:
    """What a disk answers in a fault of DISK_FAULTS."""
    return OSError(DISK_FAULTS[fault], os.strerror(DISK_FAULTS[fault]))
