"""The ways to scale that a replay compares."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from sophia_infra.model.clock import Clock
from sophia_infra.scaling.errors import ScalingError
from sophia_infra.scaling.fleet import Actuator
from sophia_infra.scaling.pre_scaling import ScaleSettings
from sophia_infra.scaling.prediction import ForecastSettings, Prediction
from sophia_infra.scaling.predictive_scaler import PredictiveScaler
from sophia_infra.scaling.series import Series

__all__ = ["Fixed", "Policy", "Predictive", "Reactive", "TraceSource"]


class Policy(Protocol):
    """Something that changes the fleet once a tick, or does not."""

    def act(self, now_s: float, load: float) -> None:
        """`load`: mean of the last five minutes, calls per second."""
        ...

    def close(self) -> None:
        """The replay is over."""
        ...


class Fixed:
    """The nodes of the beginning, for ever."""

    def act(self, now_s: float, load: float) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Reactive:
    """As many nodes as the measured load needs, and a spare; fewer only when the need was lower for the whole
    cool-down. What an autoscaler without a forecast does, told of the load every minute."""

    def __init__(self, fleet: Actuator, scale: ScaleSettings) -> None:
        self._fleet, self._scale = fleet, scale
        self._needs: deque[tuple[float, int]] = deque()

    def act(self, now_s: float, load: float) -> None:
        scale = self._scale
        need = scale.capacity.nodes_for(load) + scale.warm_spare
        need = min(max(need, scale.min_nodes), scale.max_nodes)
        self._needs.append((now_s, need))
        while self._needs[0][0] < now_s - scale.cool_down_s:
            self._needs.popleft()
        most = max(one for _, one in self._needs)
        view = self._fleet.look()
        if need > view.counted_on:
            self._fleet.launch(need - view.counted_on, intent=f"{scale.group}:{now_s:.0f}")
        elif view.counted_on > most and view.ready:
            count = min(view.counted_on - most, view.ready)
            self._fleet.release(count, intent=f"{scale.group}:{now_s:.0f}")

    def close(self) -> None:
        """Nothing."""


class TraceSource:
    """A trace of which only the past can be read."""

    def __init__(self, trace: Series, clock: Clock) -> None:
        self._trace, self._clock = trace, clock

    def read(self, start_s: float, end_s: float, step_s: int) -> Series:
        known = self._trace.until(self._clock.now()).between(start_s, end_s)
        return known if step_s == known.step_s else known.resampled(step_s).between(start_s, end_s)


class Predictive:
    """`PredictiveScaler` as it is used: a prediction each time a step of the load is over, a decision each
    tick. While there is no prediction nothing is decided, as in production."""

    def __init__(
        self,
        fleet: Actuator,
        scale: ScaleSettings,
        forecast: ForecastSettings,
        source: TraceSource,
        clock: Clock,
    ) -> None:
        self._runner = asyncio.Runner()
        self._scaler = PredictiveScaler(source, fleet, scale=scale, forecast=forecast, clock=clock)
        self._step_s = forecast.step_s
        self._prediction: Prediction | None = None

    def act(self, now_s: float, load: float) -> None:  # noqa: ARG002 (it reads the load from its source)
        self._runner.run(self._act(now_s))

    async def _act(self, now_s: float) -> None:
        known = self._prediction
        if known is None or now_s >= known.start_s + self._step_s:
            try:
                self._prediction = await self._scaler.predict_next_hour()
            except ScalingError:
                self._prediction = None
        if self._prediction is not None:
            await self._scaler.pre_scale(self._prediction)

    def close(self) -> None:
        self._runner.close()
