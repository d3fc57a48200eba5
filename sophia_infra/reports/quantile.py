"""The quantile of a histogram's buckets, as Prometheus' histogram_quantile gives it."""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["bucket_quantile"]


def bucket_quantile(quantile: float, buckets: Mapping[float, float]) -> float | None:
    """The value below which the share `quantile` lies, linear within its bucket; None when there are none.

    Args:
        buckets: upper bound -> how many are at or below it; the last bound is infinite. What lies in the last
            bucket is above the highest finite bound, and that bound is given.
    """
    bounds = sorted(buckets)
    total = buckets.get(math.inf, 0.0)
    if total <= 0 or len(bounds) < 2:
        return None
    rank = quantile * total
    below, lower = 0.0, 0.0
    for bound in bounds:
        count = buckets[bound]
        if count >= rank:
            if bound == math.inf:
                return bounds[-2]
            inside = count - below
            return lower + (bound - lower) * ((rank - below) / inside if inside > 0 else 1.0)
        below, lower = count, bound
    return bounds[-2]
