"""What Prometheus sees of a scaler."""

from __future__ import annotations

from prometheus_client import generate_latest

from sophia_infra.scaling.nodes.metrics import ScalerMetrics
from tests.unit.scaling_nodes.ground import A10_USD, Asked, Ground, pool, settings


def test_a_pass_is_shown(ground: Ground) -> None:
    metrics = ScalerMetrics()
    asked = Asked(2)
    whole = settings(pool(cooldown_s=0, scale_down_after_s=0), budget_usd_per_hour=A10_USD)
    scaler = ground.scaler(whole, asked, metrics=metrics)
    at_s = ground.clock.now()
    scaler.look_once()
    ground.pass_time(600)
    asked.nodes = None
    scaler.look_once()
    value = metrics.registry.get_sample_value
    assert value("sophia_scaler_leader") == 1
    assert value("sophia_scaler_nodes", {"pool": "gpu", "state": "ready"}) == 1
    assert value("sophia_scaler_desired_nodes", {"pool": "gpu"}) == 1
    assert value("sophia_scaler_needed_nodes", {"pool": "gpu"}) is None, "not known, so not shown"
    labels = {"pool": "gpu", "action": "launch", "reason": "demand"}
    assert value("sophia_scaler_decisions_total", labels) == 1
    assert value("sophia_scaler_limited_total", {"pool": "gpu", "limit": "budget"}) == 1
    launched_s = value("sophia_scaler_last_action_timestamp_seconds", {"pool": "gpu", "action": "launch"})
    assert launched_s is not None
    assert abs(launched_s - at_s) < 10
    assert value("sophia_scaler_budget_headroom_usd_per_hour") == 0
    assert b"sophia_scaler_dry_run 0.0" in generate_latest(metrics.registry)


def test_an_account_that_was_not_seen_leaves_the_last_look(ground: Ground) -> None:
    metrics = ScalerMetrics()
    scaler = ground.scaler(demand=Asked(1), metrics=metrics)
    scaler.look_once()
    looked_s = metrics.registry.get_sample_value("sophia_scaler_last_look_timestamp_seconds")
    ground.fault("listInstances", "before", "status", status=503, times=20)
    ground.pass_time(60)
    scaler.look_once()
    value = metrics.registry.get_sample_value
    assert value("sophia_scaler_last_look_timestamp_seconds") == looked_s
    assert value("sophia_scaler_problems_total") == 1
