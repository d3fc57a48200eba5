"""A healthy stack, forgotten machines, a silent exporter: the right alarms, their time, and no others.

Real emulator, exporter, gateway and Prometheus; a minute takes a second, and rules go as fast. Each
test leaves the world as it found it.
"""

from __future__ import annotations

import pytest

from tests.monitoring.fast_world import A100, A100_USD_PER_HOUR, FLEET_USD_PER_HOUR, FastWorld

pytestmark = pytest.mark.slow
"""A minute. It buys what no simulation shows: that the parts fit together."""


def test_a_healthy_stack_is_silent_and_its_dollars_are_right(world: FastWorld) -> None:
    world.stay(minutes=10)
    assert world.value('lambda_cloud_usd_per_hour{owner="stack"}') == pytest.approx(FLEET_USD_PER_HOUR)
    assert world.value("fleet:budget_usd_per_hour:max") == pytest.approx(200 / 24)
    assert world.value("sum(lambda_node_usd_per_hour)") == pytest.approx(FLEET_USD_PER_HOUR)
    assert world.value('up{job="inference-gateway"}') == 1


def test_eight_forgotten_machines_wake_somebody_within_minutes(world: FastWorld) -> None:
    ids = world.launch(8, A100, "us-south-1", "forgotten")
    minutes = world.minutes_until("MachinesUnknownCostly", "MachinesUnknown", within_minutes=40)
    [summary] = world.summaries("MachinesUnknownCostly")
    assert summary.startswith("8 machine(s) of nobody cost $15.92/h, $382 a day; ")
    assert minutes["MachinesUnknownCostly"] < 10
    lost_usd = 8 * A100_USD_PER_HOUR * minutes["MachinesUnknownCostly"] / 60
    print(f"8 forgotten A100: paged after {minutes['MachinesUnknownCostly']:.0f} min and ${lost_usd:.2f}")
    world.stay("MachinesUnknownCostly", "MachinesUnknown", minutes=3)
    world.terminate(ids)
    world.minutes_until(within_minutes=30)


def test_a_silent_exporter_is_told(world: FastWorld) -> None:
    world.exporter.kill()
    world.minutes_until("ExporterSilent", within_minutes=40)
    [summary] = world.summaries("ExporterSilent")
    assert "$7.35/h" in summary
