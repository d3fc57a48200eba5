"""Loads, sources and fleets for the tests of forecasts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np

from sophia_infra.model.clock import VirtualClock
from sophia_infra.scaling.capacity import Capacity, LeadTime
from sophia_infra.scaling.errors import SourceUnavailable
from sophia_infra.scaling.fleet import FleetView
from sophia_infra.scaling.pre_scaling import ScaleSettings
from sophia_infra.scaling.prediction import Prediction
from sophia_infra.scaling.series import DAY_S, FloatArray, Series, make_series
from sophia_infra.scaling.traces import Trace, make_trace

STEP_S = 300
DAY_STEPS = DAY_S // STEP_S
MONDAY_S = 1_788_739_200
"""2026-09-07 00:00 UTC."""


@cache
def trace(shape: str = "plan", weeks: int = 7, seed: int = 0) -> Trace:
    """A generated load in steps of five minutes, made once."""
    return make_trace(shape, weeks=weeks, seed=seed)


def series_of(values: Sequence[float | None] | FloatArray, start_s: int = MONDAY_S) -> Series:
    """In steps of five minutes."""
    return make_series(start_s, STEP_S, values)


def daily(days: float, *, low: float = 1.0, high: float = 9.0) -> Series:
    """The same smooth day again and again, exact."""
    steps = np.arange(round(days * DAY_STEPS))
    return series_of(low + (high - low) * (1 - np.cos(2 * np.pi * steps / DAY_STEPS)) / 2)


@dataclass
class TraceFile:
    """A source that plays a series and can fail."""

    series: Series
    clock: VirtualClock | None = None
    fails: bool = False
    reads: list[tuple[float, float]] = field(default_factory=list)

    def read(self, start_s: float, end_s: float, step_s: int) -> Series:
        self.reads.append((start_s, end_s))
        if self.fails:
            raise SourceUnavailable("No answer.", next_step="wait.")
        known = self.series if self.clock is None else self.series.until(self.clock.now())
        return known.between(start_s, end_s)


@dataclass
class PaperFleet:
    """An actuator that notes what it is asked and launches at once."""

    view: FleetView
    asked: list[tuple[str, int, str]] = field(default_factory=list)

    def look(self) -> FleetView:
        return self.view

    def launch(self, count: int, *, intent: str) -> int:
        self.asked.append(("launch", count, intent))
        self.view = replace(self.view, coming=self.view.coming + count)
        return count

    def release(self, count: int, *, intent: str) -> int:
        self.asked.append(("release", count, intent))
        self.view = replace(self.view, ready=self.view.ready - count, leaving=self.view.leaving + count)
        return count


def settings(**fields: Any) -> ScaleSettings:
    """A node carries 10 calls per second at the target, and takes 10 to 20 minutes."""
    made = ScaleSettings(
        group="tests",
        capacity=Capacity(per_replica=10.0, target_ratio=1.0),
        lead=LeadTime(600.0, 1200.0),
        lead_level=1.0,
        max_nodes=100,
        usd_per_hour=Decimal("2.00"),
        dry_run=False,
    )
    return replace(made, **fields)


def prediction(
    loads: Sequence[float] | Callable[[int], float],
    *,
    now_s: float = float(MONDAY_S),
    last: float = 0.0,
    steps: int = 12,
    **fields: Any,
) -> Prediction:
    """Exactly known loads of the next hour."""
    values = [loads(step) for step in range(steps)] if callable(loads) else list(loads)
    array = np.array(values, dtype=np.float64)
    made = Prediction(
        made_at_s=now_s,
        measured_until_s=now_s,
        start_s=int(now_s) // STEP_S * STEP_S,
        step_s=STEP_S,
        mean=array,
        quantiles={0.1: array, 0.5: array, 0.9: array},
        model="told",
        reason="told",
        confidence=1.0,
        last_measured=last,
    )
    return replace(made, **fields)
