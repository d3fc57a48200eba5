"""An evenly spaced series of a measured load, with gaps, and the few things done to it before a fit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sophia_infra.scaling.errors import SeriesRefused

__all__ = ["DAY_S", "HOUR_S", "WEEK_S", "FloatArray", "Series", "align_down", "make_series"]

FloatArray = npt.NDArray[np.float64]

HOUR_S: Final = 3600
DAY_S: Final = 24 * HOUR_S
WEEK_S: Final = 7 * DAY_S

_MEASURED_SHARE = 0.5
"""A coarser step is a gap when less than this share of it was measured."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Mean load of one step after another. Made by `make_series`, which checks the values.

    Attributes:
        start_s: seconds since 1970 at which the first step begins, a multiple of `step_s`.
        step_s: seconds of a step; value i stands for [start_s + i x step_s, start_s + (i + 1) x step_s).
        values: shape (steps,), not negative, NaN where nothing was measured. Not to be written to.
    """

    start_s: int
    step_s: int
    values: FloatArray

    def __len__(self) -> int:
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Series):
            return NotImplemented
        return (self.start_s, self.step_s) == (other.start_s, other.step_s) and np.array_equal(
            self.values, other.values, equal_nan=True
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def end_s(self) -> int:
        """Where the last step ends."""
        return self.start_s + len(self.values) * self.step_s

    @property
    def last_measured_end_s(self) -> int | None:
        """Where the newest step that was measured ends; None when none was."""
        measured = np.flatnonzero(~np.isnan(self.values))
        return None if len(measured) == 0 else self.start_s + (int(measured[-1]) + 1) * self.step_s

    def between(self, start_s: float, end_s: float) -> Series:
        """The same load from `start_s` to `end_s`, both aligned down; steps outside of this one are gaps."""
        start, end = align_down(start_s, self.step_s), align_down(end_s, self.step_s)
        values = np.full(max(0, (end - start) // self.step_s), np.nan)
        offset = (start - self.start_s) // self.step_s
        first, last = max(0, offset), min(len(self.values), offset + len(values))
        if first < last:
            values[first - offset : last - offset] = self.values[first:last]
        return Series(start, self.step_s, _frozen(values))

    def until(self, end_s: float) -> Series:
        """What was known at `end_s`: the steps that had ended by then."""
        return self.between(self.start_s, max(self.start_s, min(end_s, self.end_s)))

    def without_short_gaps(self, longest_s: float) -> Series:
        """Gaps of up to `longest_s` seconds between measured steps bridged by a line; longer ones stay."""
        missing = np.isnan(self.values)
        if not missing.any() or missing.all():
            return self
        values = self.values.copy()
        places = np.arange(len(values))
        bridged = np.interp(places, places[~missing], values[~missing])
        for first, last in _runs(missing):
            inside = first > 0 and last < len(values)
            if inside and (last - first) * self.step_s <= longest_s:
                values[first:last] = bridged[first:last]
        return Series(self.start_s, self.step_s, _frozen(values))

    def resampled(self, step_s: int) -> Series:
        """Means over longer steps, aligned to them; incomplete steps at the ends are dropped.

        A step of which less than half was measured is a gap. Raises SeriesRefused unless `step_s` is a
        whole multiple of this series' step: load inside of a step is not known.
        """
        if step_s < self.step_s or step_s % self.step_s:
            raise SeriesRefused(
                f"A series of {self.step_s}-second steps cannot be turned into steps of {step_s} s.",
                next_step=f"choose a whole multiple of {self.step_s}.",
            )
        factor = step_s // self.step_s
        start = -(-self.start_s // step_s) * step_s
        whole = self.between(start, max(start, align_down(self.end_s, step_s)))
        table = whole.values.reshape(-1, factor)
        measured = ~np.isnan(table)
        counts = measured.sum(axis=1)
        sums = np.where(measured, table, 0.0).sum(axis=1)
        enough = counts >= max(1.0, _MEASURED_SHARE * factor)
        values = np.where(enough, sums / np.maximum(counts, 1), np.nan)
        return Series(start, step_s, _frozen(values))


def make_series(start_s: float, step_s: int, values: Iterable[float | None] | FloatArray) -> Series:
    """A checked series; None and NaN are gaps.

    Raises:
        SeriesRefused: a step that is not above 0, a start between steps, a negative or infinite value.
    """
    if step_s <= 0:
        raise SeriesRefused(f"The step is {step_s} s.", next_step="choose a step of at least one second.")
    if start_s != align_down(start_s, step_s):
        raise SeriesRefused(
            f"The series begins at {start_s:.0f}, which is no multiple of its step of {step_s} s.",
            next_step=f"begin it at {align_down(start_s, step_s)}.",
        )
    if isinstance(values, np.ndarray):
        array = np.array(values, dtype=np.float64)
    else:
        array = np.array([np.nan if one is None else float(one) for one in values], dtype=np.float64)
    if array.ndim != 1:
        raise SeriesRefused(
            f"The values have {array.ndim} dimensions.", next_step="give one value for each step."
        )
    bad = np.flatnonzero(np.isinf(array) | (array < 0))
    if len(bad):
        place = int(bad[0])
        raise SeriesRefused(
            f"Value {place} of the series is {array[place]:g} ({len(bad)} such values of {len(array)}); "
            "a load is a number of at least 0, or a gap.",
            next_step="mend the query; leave out what was not measured.",
        )
    return Series(int(start_s), step_s, _frozen(array))


def align_down(time_s: float, step_s: int) -> int:
    """The last multiple of `step_s` at or before `time_s`."""
    return int(time_s // step_s) * step_s


def _frozen(values: FloatArray) -> FloatArray:
    values.setflags(write=False)
    return values


def _runs(mask: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where `mask` is true: (first, behind the last) of each stretch."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
