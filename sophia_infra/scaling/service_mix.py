"""How long the calls of the plan's load keep a server busy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sophia_infra.scaling.series import FloatArray
from sophia_infra.scaling.traces import SHARE_SHORT

__all__ = ["ServiceMix"]

_SHORT_LONGEST_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class ServiceMix:
    """How long calls keep a server busy: the plan's mix of short completions and sustained GPU work.

    Attributes:
        share_short: of the calls. Default 80 %, each under 2 s (checklist (c)).
        short_mean_s: their mean; 2 x Beta(2, 3) has 0.8. Fixed by that form.
        sustained_mean_s: mean of the others, a gamma distribution of shape 2. Our choice: the plan says
            "sustained" and no number.
        longest_s: no call is longer: also the time that a node needs to drain.
    """

    share_short: float = SHARE_SHORT
    sustained_mean_s: float = 20.0
    longest_s: float = 120.0

    @property
    def short_mean_s(self) -> float:
        return _SHORT_LONGEST_S * 2 / 5

    @property
    def mean_s(self) -> float:
        """Mean service time; the cut at `longest_s` changes it by less than a hundredth."""
        return self.share_short * self.short_mean_s + (1 - self.share_short) * self.sustained_mean_s

    def draw(self, random: np.random.Generator, count: int) -> FloatArray:
        """Service times of `count` calls, seconds."""
        short = random.random(count) < self.share_short
        quick = _SHORT_LONGEST_S * random.beta(2.0, 3.0, count)
        slow = np.minimum(random.gamma(2.0, self.sustained_mean_s / 2, count), self.longest_s)
        return np.where(short, quick, np.maximum(slow, _SHORT_LONGEST_S))
