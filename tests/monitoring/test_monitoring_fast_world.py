"""Forgotten machines, a burn, a dead node, an API that is away: the right alarms, their time, and no others.

Real emulator, exporter, gateway and Prometheus; a minute takes a second, and rules go 60 times as fast. Each
test leaves the world as it found it, but for what the error budget does not forget.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sophia_infra.provider.tags import NAME_TAG, STACK_TAG
from tests.monitoring.fast_world import STACK, FastWorld, fast_world
from tests.monitoring.platform import Platform, constant

A100, USD_PER_HOUR = "gpu_1x_a100", 1.99
FLEET_USD_PER_HOUR = 7.35

pytestmark = pytest.mark.slow
"""Four minutes in all. They buy what no simulation shows: that the parts fit together."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastWorld]:
    with fast_world(tmp_path_factory.mktemp("fast")) as world:
        # Prometheus spreads its first scrapes over seconds, which are minutes here.
        world.server.wait_until("the first alarms are over", lambda: not world.firing())
        world.stay(minutes=5)
        yield world


@pytest.fixture
def healthy(world: FastWorld) -> Platform:
    return world.live.platform


def summaries(world: FastWorld, name: str) -> list[str]:
    return [alert["annotations"]["summary"] for alert in world.firing()[name]]


def test_a_healthy_stack_is_silent_and_its_dollars_are_right(world: FastWorld) -> None:
    world.stay(minutes=10)
    assert world.value('lambda_cloud_usd_per_hour{owner="stack"}') == pytest.approx(FLEET_USD_PER_HOUR)
    assert world.value("fleet:budget_usd_per_hour:max") == pytest.approx(200 / 24)
    assert world.value("sum(lambda_node_usd_per_hour)") == pytest.approx(FLEET_USD_PER_HOUR)
    assert world.value('up{job="inference-gateway"}') == 1


def test_eight_forgotten_machines_wake_somebody_within_minutes(world: FastWorld) -> None:
    ids = world.launch(8, A100, "us-south-1", "forgotten")
    minutes = world.minutes_until("MachinesUnknownCostly", "MachinesUnknown", within_minutes=40)
    [summary] = summaries(world, "MachinesUnknownCostly")
    assert summary.startswith("8 machine(s) of nobody cost $15.92/h, $382 a day; ")
    assert minutes["MachinesUnknownCostly"] < 10
    lost_usd = 8 * USD_PER_HOUR * minutes["MachinesUnknownCostly"] / 60
    print(f"8 forgotten A100: paged after {minutes['MachinesUnknownCostly']:.0f} min and ${lost_usd:.2f}")
    world.stay("MachinesUnknownCostly", "MachinesUnknown", minutes=3)
    world.terminate(ids)
    world.minutes_until(within_minutes=30)


def test_machines_of_the_stack_that_nobody_asked_for_burn_its_budget(world: FastWorld) -> None:
    ids = world.launch(8, A100, "us-south-1", "burst", **{STACK_TAG: STACK, NAME_TAG: "burst"})
    wanted = (
        "FleetFarOverBudget",
        "FleetOverBudget",
        "MachinesOrphaned",
        "MachinesOrphanedCostly",
        "BudgetBurnsFast",
        "BudgetForecastExceeded",
    )
    minutes = world.minutes_until(*wanted, within_minutes=110)
    assert minutes["FleetFarOverBudget"] < minutes["MachinesOrphanedCostly"] < minutes["FleetOverBudget"]
    [summary] = summaries(world, "FleetFarOverBudget")
    assert summary == "The fleet costs $23.27/h, $558 a day: 279.2% of its budget of $8.33/h."
    print("a burst of 8 A100 of the stack:", {name: f"{at:.0f} min" for name, at in minutes.items()})
    world.terminate(ids)
    world.minutes_until(within_minutes=60)


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
    [summary] = summaries(world, "NodeLost")
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


def test_a_silent_exporter_is_told(world: FastWorld) -> None:
    world.exporter.kill()
    world.minutes_until("ExporterSilent", within_minutes=40)
    [summary] = summaries(world, "ExporterSilent")
    assert "$7.35/h" in summary
