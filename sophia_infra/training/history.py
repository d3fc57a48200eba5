"""What became of earlier launches of whole clusters, by type and region: a small file, and odds from it.

A listed capacity reserves nothing: 3 of 11 launches of H100 SXM5 and 2 of 5 of GH200 were refused although
listed (facts 2.1). So the odds start from those 11 of 16, weigh as much as `PRIOR_WEIGHT` launches of our
own, and our own launches count half for each `HALF_LIFE_DAYS` of their age.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from filelock import FileLock, Timeout

from sophia_infra.engine.home import Home, make_private_folder, write_private_file

__all__ = ["Launch", "LaunchHistory", "odds"]

PRIOR_ODDS: Final = 11 / 16
PRIOR_WEIGHT: Final = 4.0
HALF_LIFE_DAYS: Final = 14.0
_KEPT: Final = 500
_LOCK_TIMEOUT_S: Final = 5.0

Fate = Literal["whole", "no capacity", "unhealthy"]


@dataclass(frozen=True, slots=True)
class Launch:
    """One try to launch a whole cluster. `at_s` is seconds since 1970 on the cloud's clock."""

    at_s: float
    instance_type: str
    region: str
    nodes: int
    fate: Fate


def odds(launches: Iterable[Launch], instance_type: str, region: str, now_s: float) -> float:
    """The chance, 0 to 1, that all nodes of a cluster come up there."""
    good, weight = PRIOR_ODDS * PRIOR_WEIGHT, PRIOR_WEIGHT
    for launch in launches:
        if (launch.instance_type, launch.region) == (instance_type, region):
            days = max(0.0, now_s - launch.at_s) / 86_400
            share = math.pow(0.5, days / HALF_LIFE_DAYS)
            weight += share
            good += share if launch.fate == "whole" else 0.0
    return good / weight


class LaunchHistory:
    """The file. It only steers the order of choices, so one that cannot be read or written is no error."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def of(cls, home: Home) -> LaunchHistory:
        return cls(home.root / "training-history.json")

    def read(self) -> list[Launch]:
        """Oldest first; lines that are none are left out."""
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        found = []
        for row in rows if isinstance(rows, list) else []:
            with contextlib.suppress(TypeError, ValueError):
                launch = Launch(**row)
                if math.isfinite(launch.at_s):
                    found.append(launch)
        return found

    def add(self, launch: Launch) -> None:
        """Append one, and drop the oldest above 500."""
        with contextlib.suppress(OSError, Timeout):
            make_private_folder(self._path.parent)
            with FileLock(f"{self._path}.lock", timeout=_LOCK_TIMEOUT_S, mode=0o600):
                rows = [asdict(one) for one in [*self.read(), launch][-_KEPT:]]
                write_private_file(self._path, json.dumps(rows))
