"""The meter: by started minute, from launch to the end, and always the sum of its parts."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from sophia_infra.emulator import Cloud, CloudSettings
from sophia_infra.emulator.launch_orders import LaunchOrder
from tests.emulator.emulator_client import REGION, Api


def usd(api: Api) -> str:
    return str(api.control("GET", "/state").json()["billing"]["usd_total"])


@pytest.mark.parametrize(
    ("elapsed_s", "expected"),
    [(0, "0.000000"), (1, "0.038167"), (60, "0.038167"), (61, "0.076333"), (3600, "2.290000")],
)
def test_every_started_minute_costs_a_sixtieth_of_the_price(
    api: Api, elapsed_s: float, expected: str
) -> None:
    api.launch()
    api.cloud.advance(elapsed_s)
    assert usd(api) == expected


def test_booting_and_unhealthy_cost_and_the_end_is_when_it_happened(
    make_api: Callable[..., Api],
) -> None:
    api = make_api(unhealthy_boot_share=1)
    instance_id = api.launch()
    api.cloud.advance(3600)
    assert usd(api) == "2.290000"
    api.terminate(instance_id)
    api.cloud.advance(1_000_000)
    assert usd(api) == "2.328167"  # 30 s of terminating, though nobody looked for days
    (dumped,) = api.control("GET", "/state").json()["instances"]
    assert dumped["ended_at_s"] - dumped["launched_at_s"] == 3630


def test_a_price_is_fixed_at_launch(make_api: Callable[..., Api]) -> None:
    api = make_api()
    api.launch()
    api.control("POST", "/settings", {"price_overrides_cents_per_hour": {"gpu_1x_gh200": 400}})
    api.launch()
    assert api.control("GET", "/state").json()["billing"]["usd_per_hour"] == "6.29"


def test_a_filesystem_costs_by_its_bytes_also_after_it_is_gone(api: Api) -> None:
    filesystem = api.data("POST", "/filesystems", {"name": "models", "region": REGION})
    api.cloud.advance(3600 * 720)
    assert Decimal(usd(api)) == 0
    api.control("POST", f"/filesystems/{filesystem['id']}/bytes", {"bytes_used": 100 * 1024**3})
    api.cloud.advance(3600 * 720)
    assert usd(api) == "20.000000"  # 100 GiB x 0.20 USD per GiB and month of 720 h
    api.call("DELETE", f"/filesystems/{filesystem['id']}")
    api.cloud.advance(3600 * 720)
    assert usd(api) == "20.000000"


def test_the_total_is_the_sum_of_all_instances_that_ever_lived() -> None:
    cloud = Cloud(CloudSettings(seed=3))
    cloud.ssh_keys.add("ops", "ssh-ed25519 AAAA")
    types = ("gpu_1x_gh200", "gpu_8x_h100_sxm5", "gpu_1x_a10")
    for step in range(200):
        order = LaunchOrder("us-east-3", types[step % 3], ["ops"])
        record = cloud.instances.launch(order)
        cloud.advance(cloud.core.random.uniform(0, 1000))
        if step % 4:
            cloud.instances.terminate([record.id])
        dump = cloud.dump()
        parts = sum(Decimal(one["billed_usd"]) for one in dump["instances"])
        assert parts == Decimal(dump["billing"]["usd_total"])
    assert parts > 0
