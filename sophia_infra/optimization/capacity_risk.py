"""What it costs that a relaunch may be refused. Pure.

The chance that a launch finds nothing is what the history of listed capacity says, and what was seen of
listed capacity that was refused all the same: 3 of 11 launches of H100 SXM5 and 2 of 5 of GH200
(facts/lambda-cloud.md 2.1). Without a history the type is taken to be listed always, which the refusals of
those 16 launches still make a chance of 31 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sophia_infra.optimization.usage import Track

__all__ = ["CapacityRisk", "capacity_risk"]

_REFUSED: Final = 5
_LAUNCHES: Final = 16
_Z80: Final = 1.28
"""One-sided 90 %: the upper end of an interval that holds the truth four times of five."""


@dataclass(frozen=True, slots=True)
class CapacityRisk:
    """Of one type in one region.

    Attributes:
        chance: that a relaunch is refused, 0 to 1; `chance_high` is its upper end.
        wait_hours: how long a machine is missing then.
        source: where both are from.
    """

    chance: float
    chance_high: float
    wait_hours: float
    source: str

    def usd(self, relaunches: Decimal, usd_per_hour_without: Decimal, *, high: bool = False) -> Decimal:
        """What so many relaunches cost in hours without the machine."""
        chance = Decimal(str(self.chance_high if high else self.chance))
        return relaunches * chance * Decimal(str(self.wait_hours)) * usd_per_hour_without


def capacity_risk(
    instance_type: str,
    region: str,
    history: Mapping[tuple[str, str], Track],
    *,
    wait_hours: float,
) -> CapacityRisk:
    """The risk by what was recorded of this type and region.

    Args:
        wait_hours: how long a machine is missing, where no outage was recorded.
    """
    track = history.get((instance_type, region))
    listed_values = [] if track is None else track.measured
    if track is None or not listed_values:
        chance = _REFUSED / _LAUNCHES
        source = f"no capacity history; {_REFUSED} of {_LAUNCHES} launches into listed capacity were refused"
        return CapacityRisk(chance, _upper(chance, _LAUNCHES), wait_hours, source)
    listed = math.fsum(1.0 for one in listed_values if one > 0) / len(listed_values)
    chance = 1 - listed * (1 - _REFUSED / _LAUNCHES)
    outages = _outages_s(track)
    waits = math.fsum(outages) / len(outages) / 3600 if outages else 0.0
    # Refused although listed: nobody recorded for how long, so it is the stated wait.
    share_unlisted = (1 - listed) / chance if chance else 0.0
    mean_wait = share_unlisted * waits + (1 - share_unlisted) * wait_hours
    source = (
        f"listed {listed * 100:.0f} % of the time in the recorded {len(listed_values)} looks, and "
        f"{_REFUSED} of {_LAUNCHES} launches into listed capacity were refused"
    )
    return CapacityRisk(chance, _upper(chance, _LAUNCHES), mean_wait, source)


def _upper(chance: float, count: int) -> float:
    return min(1.0, chance + _Z80 * math.sqrt(chance * (1 - chance) / count))


def _outages_s(track: Track) -> list[float]:
    """Lengths of the stretches in which nothing was listed."""
    found: list[float] = []
    length = 0
    for one in [*track.values, 1.0]:
        if one is not None and one <= 0:
            length += 1
        elif length:
            found.append(length * float(track.step_s))
            length = 0
    return found
