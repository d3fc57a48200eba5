"""What asks for nodes: the load now, the load of the next hour, pods that wait. Each says how old it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np

from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.clock import Clock
from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.scaled_tags import SCALED_NODE_LABEL
from sophia_infra.model.scaler import DemandConfig
from sophia_infra.scaling.backtest import FRESH_S
from sophia_infra.scaling.capacity import Capacity, LeadTime
from sophia_infra.scaling.errors import ScalingError
from sophia_infra.scaling.gauges import PredictionGauges
from sophia_infra.scaling.nodes.cluster import ClusterView, PodSeen
from sophia_infra.scaling.nodes.settings import PoolSettings
from sophia_infra.scaling.pre_scaling import ScaleSettings
from sophia_infra.scaling.prediction import ForecastSettings, Prediction
from sophia_infra.scaling.predictive_scaler import PredictiveScaler
from sophia_infra.scaling.sources import REQUEST_RATE, PrometheusSource, SeriesSource

__all__ = [
    "Demand",
    "DemandSource",
    "ForecastDemand",
    "LoadDemand",
    "Need",
    "PendingPodsDemand",
    "demand_sources",
    "join_needs",
]

MAX_AGE_S: Final = 300.0
_STEP_S: Final = 60
_LEVEL: Final = 0.9


@dataclass(frozen=True, slots=True)
class Need:
    """What one source says.

    Attributes:
        soon: nodes to have by the time a node launched now is of use.
        later: nodes that are enough until then and after; what is above them may be released.
        words: for people: `load 12.3, 4.5 a node`.
    """

    source: str
    soon: int
    later: int
    words: str


@dataclass(frozen=True, slots=True)
class Demand:
    """All sources of a pool together.

    Attributes:
        soon, later: the largest of each; None when no source could say.
        missing: source -> why it said nothing. Nothing is released while there are any.
        words: of the one that asks for most.
        source: its kind.
    """

    soon: int | None = None
    later: int | None = None
    missing: tuple[str, ...] = ()
    words: str = ""
    source: str = ""


def join_needs(needs: Sequence[Need], missing: Sequence[str]) -> Demand:
    """The one that asks for most counts, as an autoscaler takes the largest of its triggers."""
    if not needs:
        return Demand(missing=tuple(missing))
    most = max(needs, key=lambda one: one.soon)
    return Demand(most.soon, max(one.later for one in needs), tuple(missing), most.words, most.source)


class DemandSource(Protocol):
    """One entry of `demand`."""

    kind: str

    def need(self, cluster: ClusterView | None) -> Need:
        """Nodes that it asks for. Raises ScalingError when it cannot say: stale, missing, wrong."""
        ...


class LoadDemand:
    """A load that is measured now, such as a queue or tokens per second."""

    kind = "prometheus"

    def __init__(
        self, source: SeriesSource, capacity: Capacity, clock: Clock, max_age_s: float = MAX_AGE_S
    ) -> None:
        self._source = source
        self._capacity = capacity
        self._clock = clock
        self._max_age_s = max_age_s

    def need(self, cluster: ClusterView | None) -> Need:  # noqa: ARG002 (of the protocol)
        now_s = self._clock.now()
        series = self._source.read(now_s - self._max_age_s - _STEP_S, now_s, _STEP_S)
        measured = np.flatnonzero(~np.isnan(series.values))
        if not len(measured):
            raise Stale(f"nothing was measured in the last {self._max_age_s / 60:.0f} min")
        newest = int(measured[-1])
        age_s = now_s - (series.start_s + (newest + 1) * series.step_s)
        if age_s > self._max_age_s:
            raise Stale(f"the load was last measured {age_s / 60:.0f} min ago")
        load = float(series.values[newest])
        nodes = self._capacity.nodes_for(load)
        return Need(self.kind, nodes, nodes, f"a load of {load:.4g} needs {nodes}")


class ForecastDemand:
    """The load of the next hour by `PredictiveScaler`, which refuses a horizon shorter than the lead time."""

    kind = "forecast"

    def __init__(
        self,
        scaler: PredictiveScaler,
        scale: ScaleSettings,
        clock: Clock,
        max_age_s: float = FRESH_S,
    ) -> None:
        self._scaler = scaler
        self._scale = scale
        self._clock = clock
        self._max_age_s = max_age_s

    def need(self, cluster: ClusterView | None) -> Need:  # noqa: ARG002 (of the protocol)
        prediction = self._scaler.predict()
        now_s = self._clock.now()
        age_s = now_s - prediction.measured_until_s
        if age_s > self._max_age_s:
            raise Stale(f"the load was last measured {age_s / 60:.0f} min ago")
        reach_s = now_s + self._scale.lead_s + self._scale.every_s
        soon = self._nodes(prediction, now_s, reach_s)
        later = self._nodes(prediction, now_s, max(reach_s, float(prediction.end_s)))
        words = f"the forecast needs {soon} within {self._scale.lead_s / 60:.0f} min, {later} within the hour"
        return Need(self.kind, soon, later, words)

    def _nodes(self, prediction: Prediction, from_s: float, until_s: float) -> int:
        # As `pre_scaling.decide`: a forecast never leads to fewer nodes than the load now needs.
        load = max(prediction.last_measured, prediction.peak(self._scale.level, from_s, until_s))
        return self._scale.capacity.nodes_for(load)


class PendingPodsDemand:
    """Pods that no node has room for, and the nodes of the pool that pods with GPUs run on."""

    kind = "pending_pods"

    def __init__(self, pool: str, instance_type: str, regions: Sequence[str]) -> None:
        row = CATALOGUE[instance_type]
        self._pool = pool
        self._gpus = row.gpu_count
        self._labels: Mapping[str, frozenset[str]] = {
            "sophia.internal/instance-type": frozenset((row.name,)),
            "sophia.internal/gpu": frozenset(((row.gpu_model or "").lower(),)),
            "sophia.internal/region": frozenset(regions),
            SCALED_NODE_LABEL: frozenset((pool,)),
            "kubernetes.io/arch": frozenset(("arm64" if row.architecture == "arm64" else "amd64",)),
            "kubernetes.io/os": frozenset(("linux",)),
        }

    def need(self, cluster: ClusterView | None) -> Need:
        if cluster is None:
            raise Stale("the cluster does not answer")
        used = sum(
            1
            for node in cluster.nodes.values()
            if node.pool == self._pool and node.gpu_pods and node.draining_since_s is None
        )
        fitting = [pod.gpus for pod in cluster.pending if self._fits(pod)]
        more = _bins(fitting, self._gpus)
        words = f"{used} in use, {len(fitting)} pods wait for {sum(fitting)} GPUs"
        return Need(self.kind, used + more, used + more, words)

    def _fits(self, pod: PodSeen) -> bool:
        """Whether a node of this pool could run it. One that asks for a label that nodes of ours have not,
        or for more GPUs than one has, would wait for ever.
        """
        return pod.gpus <= self._gpus and all(
            value in self._labels.get(key, ()) for key, value in pod.selector.items()
        )


class Stale(ScalingError):
    """A source has nothing to say now."""

    retry = True

    def __init__(self, message: str) -> None:
        super().__init__(message, next_step="look at the source; nothing is released meanwhile.")


def demand_sources(
    pool: PoolSettings,
    *,
    prometheus_url: str | None,
    clock: Clock,
    interval_s: float,
    gauges: PredictionGauges | None = None,
) -> list[DemandSource]:
    """The sources of a pool's `demand`.

    Args:
        clock: of the machine, which Prometheus shares.

    Raises:
        SettingsRefused: no Prometheus is named, or a lead time is beyond the forecast.
    """
    return [_source(pool, one, prometheus_url, clock, interval_s, gauges) for one in pool.demand]


def _source(
    pool: PoolSettings,
    config: DemandConfig,
    url: str | None,
    clock: Clock,
    interval_s: float,
    gauges: PredictionGauges | None,
) -> DemandSource:
    if config.source == "pending_pods":
        return PendingPodsDemand(pool.name, pool.types[0], pool.regions)
    if url is None:
        from sophia_infra.scaling.errors import SettingsRefused

        raise SettingsRefused(
            f"sophia:scaler.pools.{pool.name} asks for a load, and no Prometheus is named.",
            next_step="give its address with --prometheus or SOPHIA_PROMETHEUS_URL.",
        )
    capacity = Capacity(config.per_node or 1.0, config.target_percent / 100)
    series = PrometheusSource(url, config.query or REQUEST_RATE)
    max_age_s = config.max_age_s
    if config.source == "prometheus":
        return LoadDemand(series, capacity, clock, MAX_AGE_S if max_age_s is None else max_age_s)
    return forecast_demand(
        pool, capacity, series, clock, interval_s, FRESH_S if max_age_s is None else max_age_s, gauges
    )


def forecast_demand(
    pool: PoolSettings,
    capacity: Capacity,
    series: SeriesSource,
    clock: Clock,
    interval_s: float,
    max_age_s: float = FRESH_S,
    gauges: PredictionGauges | None = None,
) -> ForecastDemand:
    """A forecast that reaches at least one lead time and one interval ahead."""
    scale = ScaleSettings(
        group=pool.name,
        capacity=capacity,
        lead=LeadTime(pool.lead_s, pool.lead_s),
        level=_LEVEL,
        min_nodes=0,
        max_nodes=max(pool.max, 1),
        usd_per_hour=PriceBook.fallback().get(pool.types[0]),
        every_s=interval_s,
    )
    settings = replace(ForecastSettings(), calendar=pool.work_calendar)
    scaler = PredictiveScaler(series, scale=scale, forecast=settings, clock=clock, gauges=gauges, environ={})
    return ForecastDemand(scaler, scale, clock, max_age_s)


def _bins(sizes: Sequence[int], room: int) -> int:
    """Nodes of `room` GPUs for pods of `sizes`, the largest first into the first that has room."""
    left: list[int] = []
    for size in sorted(sizes, reverse=True):
        at = next((at for at, free in enumerate(left) if free >= size), None)
        if at is None:
            left.append(room - size)
        else:
            left[at] -= size
    return len(left)
