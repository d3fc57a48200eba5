"""How long a forecast takes to learn and to make, and a week of 64 nodes in virtual time."""

from __future__ import annotations

import subprocess
import sys
import time

from sophia_infra.model.clock import VirtualClock
from sophia_infra.scaling.prediction import Forecaster
from sophia_infra.scaling.replay import Replay, replay
from sophia_infra.scaling.replay_policies import TraceSource
from sophia_infra.scaling.traces import make_trace
from tests.bench.figures import Figure
from tests.bench.rivals import fit_holt_winters_s, heap_s
from tests.bench.timing import least

__all__ = ["measure_forecast", "measure_replay"]

TRAIN_S = 5.0
REPLAY_S = 60.0
WEEKS = 6
NODES = 64
_DAY_STEPS = 288
_PEAK_PER_S = 78.0
"""Calls per second whose busiest five minutes need 64 nodes."""

_FRESH = """
import time
began_s = time.perf_counter()
from sophia_infra.scaling.choosing import choose
from sophia_infra.scaling.profiled import all_models
from sophia_infra.scaling.traces import make_trace
series = make_trace("plan", weeks=6).seen
choose(series, all_models()).fit(series).predict(12)
print(time.perf_counter() - began_s)
"""


def measure_forecast(tries: int) -> list[Figure]:
    """Seconds until the first prediction from six weeks of 5-minute data, and for each one after it."""
    trace = make_trace("plan", weeks=WEEKS + 1).seen
    clock = VirtualClock(float(trace.start_s + WEEKS * 7 * 86_400))
    source = TraceSource(trace, clock)

    def first() -> None:
        Forecaster(source, clock=clock).predict()

    first()
    seconds = least(tries, first)
    forecaster = Forecaster(source, clock=clock)
    forecaster.predict()

    def following() -> None:
        clock.advance(300)
        forecaster.predict()

    again_s = least(tries * 10, following)
    fresh_s = min(_fresh_process_s() for _ in range(min(3, tries)))
    how = f"least of {tries}; nine models judged over a week, the best one fitted"
    learned = [float(value) for value in trace.values[: WEEKS * 7 * _DAY_STEPS]]
    reference = (
        fit_holt_winters_s(learned, _DAY_STEPS),
        "one fit of statsmodels' Holt-Winters, a day's season",
    )
    return [
        Figure("forecast: learn from 6 weeks", seconds, "s", TRAIN_S, how, reference=reference),
        Figure("the same in a fresh process", fresh_s, "s", None, "with the import of statsmodels"),
        Figure("forecast: the next prediction", again_s, "s", None, f"least of {tries * 10}; each 5 minutes"),
    ]


def _fresh_process_s() -> float:
    done = subprocess.run([sys.executable, "-c", _FRESH], check=True, capture_output=True, text=True)
    return float(done.stdout)


def measure_replay() -> list[Figure]:
    """Seconds for a week of 64 nodes on the emulator, under PredictiveScaler, each call simulated."""
    began_s = time.perf_counter()
    result = replay(Replay(weeks=1, peak_per_s=_PEAK_PER_S, max_nodes=NODES), "predictive")
    took_s = time.perf_counter() - began_s
    if result.most_nodes != NODES:
        raise RuntimeError(f"the replay had {result.most_nodes} nodes at most")
    how = f"{result.calls:,} calls, {result.launches} launches, 10,080 decisions"
    reference = (heap_s(result.calls), "a heap that only takes and gives as many events")
    return [Figure(f"replay of a week, {NODES} nodes", took_s, "s", REPLAY_S, how, reference=reference)]
