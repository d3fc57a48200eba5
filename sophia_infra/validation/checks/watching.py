"""Monitoring as it is configured, and what it measured."""

from __future__ import annotations

from typing import Any

from sophia_infra.model.kubernetes import KubernetesConfig
from sophia_infra.monitoring.coverage import SIGNALS, coverage, uncovered
from sophia_infra.monitoring.terms import terms_of
from sophia_infra.reports.slo_facts import Slos
from sophia_infra.validation.checks.kubernetes import with_objects
from sophia_infra.validation.measured import Measured, judge, not_known, of_figure
from sophia_infra.validation.objects import Objects
from sophia_infra.validation.world import World

__all__ = [
    "alerts_are_quiet",
    "alerts_predict",
    "backends_are_warm",
    "dollars_are_fresh",
    "everything_is_watched",
    "gpus_are_busy",
    "monitoring_is_there",
    "plan_alert_is_there",
    "response_is_within",
    "uptime_is_kept",
]

_PREDICTING = "predict_linear"
_PLAN_ALERT = ("HighInferenceCosts", "increase(lambda_inference_cost_total[1h]) > 10", "1h")
"""Name, expression and delay as the plan prints them."""


def monitoring_is_there(world: World, _argument: str) -> Measured:
    """The chart of Prometheus, Alertmanager and Grafana, and rules for it."""

    def read(_kube: KubernetesConfig, objects: Objects) -> tuple[bool, str]:
        rules = len(objects.of("PrometheusRule"))
        if "monitoring" not in objects.charts:
            return False, "no chart monitoring"
        return rules > 0, f"chart monitoring, {rules} objects of rules, {len(_alerts(objects))} alerts"

    kube = world.config.kubernetes
    if kube is not None and kube.monitoring is None:
        return not_known("off: the stack has no sophia:kubernetes.monitoring", world.name)
    return with_objects(world, read, first_phase=2)


def plan_alert_is_there(world: World, _argument: str) -> Measured:
    """The plan's own alert on inference costs, to the letter."""

    def read(_kube: KubernetesConfig, objects: Objects) -> tuple[bool, str]:
        name, expression, delay = _PLAN_ALERT
        found = _alerts(objects).get(name)
        if found is None:
            return False, f"no alert {name}"
        is_the_plans = (found["expr"], found.get("for")) == (expression, delay)
        return is_the_plans, f"{found['expr']}, for {found.get('for', '0s')}"

    return with_objects(world, read, first_phase=2)


def alerts_predict(world: World, _argument: str) -> Measured:
    """At least one alert looks ahead."""

    def read(_kube: KubernetesConfig, objects: Objects) -> tuple[bool, str]:
        ahead = sorted(name for name, row in _alerts(objects).items() if _PREDICTING in str(row["expr"]))
        return bool(ahead), f"{len(ahead)}: {', '.join(ahead)}" if ahead else "none"

    return with_objects(world, read, first_phase=2)


def everything_is_watched(world: World, _argument: str) -> Measured:
    """Every service and part has all golden signals."""
    kube = world.config.kubernetes
    evidence = "docs/monitoring.md"
    if kube is None or kube.monitoring is None:
        return not_known("off: the stack has no sophia:kubernetes.monitoring", evidence)
    terms = terms_of(world.config, world.name)
    holes = uncovered(terms)
    shown = f"{len(coverage(terms))} services and parts x {len(SIGNALS)} signals"
    return judge(not holes, " ".join(holes) or shown, evidence)


def dollars_are_fresh(world: World, limit_s: str) -> Measured:
    """The exporter reads the account and Prometheus the exporter within so many seconds together."""
    kube = world.config.kubernetes
    evidence = f"Pulumi.{world.name}.yaml, sophia:kubernetes.monitoring.exporter.poll_s"
    if kube is None or kube.monitoring is None or not kube.monitoring.exporter.enabled:
        return not_known("off: the stack has no exporter", evidence)
    poll_s = kube.monitoring.exporter.poll_s
    return judge(poll_s <= float(limit_s), f"read every {poll_s} s", evidence)


def uptime_is_kept(world: World, percent: str) -> Measured:
    """The worst service's share of calls that succeeded in 30 days."""

    def read(slos: Slos) -> tuple[bool, str]:
        worst = min(slos.services, key=lambda row: row.success_ratio)
        share = 100 * worst.success_ratio
        return share >= float(percent), f"{share:.3f} % at the worst ({worst.service}), in 30 days"

    return of_figure(world.snapshot.slo, world.snapshot.slo.source, read)


def gpus_are_busy(world: World, percent: str) -> Measured:
    """The mean share of time in which the GPUs had work."""
    return of_figure(
        world.snapshot.gpus,
        world.snapshot.gpus.source,
        lambda rows: (
            (mean := sum(row.percent for row in rows) / len(rows)) >= float(percent),
            f"{mean:.0f} % on average of {len(rows)} GPUs",
        ),
    )


def response_is_within(world: World, milliseconds: str) -> Measured:
    """The time that 95 of 100 inference calls stay under."""
    figure = world.snapshot.inference.p95_s
    return of_figure(
        figure,
        figure.source,
        lambda p95_s: (p95_s * 1000 <= float(milliseconds), f"p95 {p95_s * 1000:.0f} ms"),
    )


def backends_are_warm(world: World, _argument: str) -> Measured:
    """Every inference backend answers, so that no call waits for a model to load."""
    figure = world.snapshot.inference.backends
    return of_figure(
        figure,
        figure.source,
        lambda found: (
            found.ready == found.total,
            f"{found.ready} of {found.total} backends ready"
            + (f": not {', '.join(found.waiting)}" if found.waiting else ""),
        ),
    )


def alerts_are_quiet(world: World, _argument: str) -> Measured:
    """No critical alert fires."""
    figure = world.snapshot.alerts
    firing = world.snapshot.firing("critical")
    return of_figure(
        figure,
        figure.source,
        lambda _rows: (not firing, ", ".join(row.name for row in firing) or "no critical alert fires"),
    )


def _alerts(objects: Objects) -> dict[str, Any]:
    return {
        row["alert"]: row
        for rule in objects.of("PrometheusRule")
        for group in rule["spec"].get("groups") or ()
        for row in group.get("rules") or ()
        if "alert" in row
    }
