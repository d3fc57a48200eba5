"""A dead node, an API that is away, a revoked key: the right alarms, and no dollar becomes zero.

Each test leaves the world as it found it, but for what the error budget does not forget.
"""

from __future__ import annotations

import pytest

from tests.monitoring.fast_world import FLEET_USD_PER_HOUR, FastWorld
from tests.monitoring.platform import Platform, constant

pytestmark = pytest.mark.slow
"""A minute. It buys what no simulation shows: that the parts fit together when one fails."""


@pytest.fixture
def healthy(world: FastWorld) -> Platform:
    return world.live.platform


def test_a_dead_node_is_told_with_its_dollars(world: FastWorld, healthy: Platform) -> None:
    dead = healthy.down(job="node-exporter", node="sophia-development")
    for status, value in (("true", 0.0), ("unknown", 1.0)):
        dead = dead.with_line(
            "kube_node_status_condition",
            constant(value),
            node="sophia-development",
            condition="Ready",
            status=status,
        )
    world.become(dead)
    world.minutes_until("NodeLost", "PrometheusTargetDown", within_minutes=40)
    [summary] = world.summaries("NodeLost")
    assert "sophia-development" in summary
    assert "$1.29" in summary
    world.become(healthy)
    world.minutes_until(within_minutes=30)


def test_an_api_that_is_away_makes_data_old_and_no_dollar_zero(world: FastWorld) -> None:
    spent = "sum(lambda_cloud_instance_cost_usd_total)"
    before_usd = world.value(spent)
    world.control("faults", operation="listInstances", when="before", action="status", status=503, times=None)
    world.minutes_until("FleetDataStale", "LambdaApiFailing", within_minutes=40)
    assert world.value("lambda_cloud_up") == 0
    assert world.value("lambda_cloud_data_age_seconds") > 300
    assert world.value("sum(lambda_cloud_usd_per_hour)") == pytest.approx(FLEET_USD_PER_HOUR)
    assert world.value(spent) > before_usd
    world.clear_faults()
    # So many minutes of outage are more than a month's budget of errors: that is told for days, rightly.
    world.known |= {"ErrorBudgetBurns", "ErrorBudgetSpent"}
    world.minutes_until(within_minutes=40)


def test_a_revoked_key_is_told_at_once(world: FastWorld) -> None:
    world.control("settings", api_keys=["secret_another_0123456789abcdef0123456789abcdef.AbCdEf"])
    minutes = world.minutes_until("LambdaKeyRefused", "FleetDataStale", within_minutes=40)
    assert minutes["LambdaKeyRefused"] < 5
    assert world.value("sum(lambda_cloud_usd_per_hour)") == pytest.approx(FLEET_USD_PER_HOUR)
    world.control("settings", api_keys=[])
    world.minutes_until(within_minutes=40)
