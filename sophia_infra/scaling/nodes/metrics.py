"""What the scaler tells Prometheus about itself. One registry a scaler, so that two never mix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge

if TYPE_CHECKING:
    from sophia_infra.scaling.nodes.reporting import PassReport

__all__ = ["ScalerMetrics"]


class ScalerMetrics:
    """Gauges of the last look, counters since the start."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._nodes = Gauge(
            "sophia_scaler_nodes", "Machines of the pool by state.", ["pool", "state"], registry=self.registry
        )
        self._desired = Gauge(
            "sophia_scaler_desired_nodes",
            "Nodes that the pool should have, within its minimum and maximum.",
            ["pool"],
            registry=self.registry,
        )
        self._needed = Gauge(
            "sophia_scaler_needed_nodes",
            "Nodes that the demand asks for, before any limit; absent when not known.",
            ["pool"],
            registry=self.registry,
        )
        self._decisions = Counter(
            "sophia_scaler_decisions",
            "Decisions by action and by the rule that decided.",
            ["pool", "action", "reason"],
            registry=self.registry,
        )
        self._limited = Counter(
            "sophia_scaler_limited",
            "Decisions whose launches a limit kept back.",
            ["pool", "limit"],
            registry=self.registry,
        )
        self._acted = Counter(
            "sophia_scaler_actions",
            "Nodes launched, released, rescued, given up or ended.",
            ["pool", "action"],
            registry=self.registry,
        )
        self._acted_at_s = Gauge(
            "sophia_scaler_last_action_timestamp_seconds",
            "When the scaler last acted, on the cloud's clock.",
            ["pool", "action"],
            registry=self.registry,
        )
        self._leader = Gauge("sophia_scaler_leader", "1 when this process may act.", registry=self.registry)
        self._dry_run = Gauge(
            "sophia_scaler_dry_run", "1 when it only says what it would do.", registry=self.registry
        )
        self._headroom = Gauge(
            "sophia_scaler_budget_headroom_usd_per_hour",
            "What is left of the stack's budget, at list price; negative above it.",
            registry=self.registry,
        )
        self._looked_at_s = Gauge(
            "sophia_scaler_last_look_timestamp_seconds",
            "When the account was last seen, on the cloud's clock.",
            registry=self.registry,
        )
        self._problems = Counter(
            "sophia_scaler_problems", "Things that did not go as asked.", registry=self.registry
        )

    def show(self, report: PassReport) -> None:
        """Take over one pass."""
        self._leader.set(float(report.leads))
        self._dry_run.set(float(report.dry_run))
        self._problems.inc(len(report.problems))
        if report.headroom_usd_per_hour is None:
            return
        self._looked_at_s.set(report.at_s)
        self._headroom.set(float(report.headroom_usd_per_hour))
        self._nodes.clear()
        self._desired.clear()
        self._needed.clear()
        for view in report.views:
            for state in ("ready", "coming", "draining", "ending", "lost", "pending"):
                self._nodes.labels(view.pool, state).set(len(getattr(view, state)))
        for decision in report.decisions:
            self._desired.labels(decision.pool).set(decision.wanted)
            if decision.needed is not None:
                self._needed.labels(decision.pool).set(decision.needed)
            self._decisions.labels(decision.pool, decision.action, decision.word).inc()
            for limit in decision.limited_by:
                self._limited.labels(decision.pool, limit).inc()
        for event in report.events:
            self._acted.labels(event.pool, event.action).inc()
            self._acted_at_s.labels(event.pool, event.action).set(report.at_s)
