"""The document that the exporter reads: made from a stack's file, read back equal, refused with reasons."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.errors import ConfigError
from sophia_infra.model.kubernetes.monitoring import ExporterConfig
from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.stack_config import load_stack_config, parse_stack_config
from sophia_infra.monitoring.cost_weights import cost_weights
from sophia_infra.monitoring.exporter_settings import (
    POLL_S,
    ExporterSettings,
    exporter_settings_of,
    read_exporter_settings,
)

ROOT = Path(__file__).parents[3]
FILE = {
    "sophia:endpoint": "lambda",
    "sophia:phase": 2,
    "sophia:budget": {"limit": "$3,600/month", "alert_percent": 75},
    "sophia:ssh": {
        "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBB8pO9Jt2dG5r2fZ3rJt1v9xkqkQ0mJ0000000000AA"
    },
    "sophia:fleet": {
        "core": {
            "type": "1xGH200",
            "region": "us-east-3",
            "purpose": "core",
            "image_family": "lambda-stack-24-04",
            "generation": 3,
            "fallbacks": [{"region": "us-west-1"}, {"type": "gpu_1x_h100_sxm5"}],
        },
        "old": {
            "type": "1xA10",
            "region": "us-west-1",
            "purpose": "old",
            "adopt": {"name": "by-hand"},
        },
        "later": {"type": "1xA6000", "region": "us-west-1", "purpose": "later", "phase": 3},
    },
}


def of(file: dict[str, Any]) -> ExporterSettings:
    return exporter_settings_of(parse_stack_config(file, "Pulumi.test.yaml"), "sophia-infra/test")


def test_a_stack_without_clusters_has_machines_that_are_no_nodes() -> None:
    settings = of(FILE)
    assert list(settings.machines) == ["core", "old"]  # not that of a later phase
    core, old = settings.machines.values()
    assert core.types == ("gpu_1x_gh200", "gpu_1x_h100_sxm5")
    assert core.regions == ("us-east-3", "us-west-1")
    assert (core.generation, core.node, core.adopt_name) == (3, "", "")
    assert (old.adopt_id, old.adopt_name) == ("", "by-hand")
    assert settings.types == ("gpu_1x_gh200", "gpu_1x_h100_sxm5", "gpu_1x_a10")
    assert settings.budget_usd_per_month == 3_600
    assert settings.budget_usd_per_hour == 5
    assert settings.budget_alert_percent == 75
    assert settings.prices.usd_per_hour == {
        "gpu_1x_gh200": Decimal("2.29"),
        "gpu_1x_h100_sxm5": Decimal("4.29"),
        "gpu_1x_a10": Decimal("1.29"),
    }
    assert settings.prices.as_of.isoformat() == "2026-08-20"
    assert settings.poll_s == ExporterConfig().poll_s == 30


@pytest.mark.parametrize(
    ("limit", "usd_per_month"),
    [("$200/day", 6_000), ("$2.29/h", Decimal("1648.80")), ("$1,000/month", 1_000)],
)
def test_a_budget_is_exact_however_it_is_written(limit: str, usd_per_month: Decimal) -> None:
    assert of({**FILE, "sophia:budget": {"limit": limit}}).budget_usd_per_month == usd_per_month


@pytest.mark.parametrize("stack", ["local", "production"])
def test_what_is_written_is_read_back_equal(stack: str) -> None:
    settings = exporter_settings_of(load_stack_config(ROOT / f"Pulumi.{stack}.yaml"), f"sophia-infra/{stack}")
    assert [machine.node for machine in settings.machines.values()] == list(settings.machines)
    assert read_exporter_settings(json.dumps(settings.as_json())) == settings
    assert read_exporter_settings(json.dumps(of(FILE).as_json())) == of(FILE)


def test_the_interval_is_bounded_as_in_the_stack_file() -> None:
    for poll_s in (POLL_S[0], POLL_S[1]):
        assert ExporterConfig(poll_s=poll_s).poll_s == poll_s
    for poll_s in (POLL_S[0] - 1, POLL_S[1] + 1):
        with pytest.raises(ValueError, match="from 5 to 60"):
            ExporterConfig(poll_s=poll_s)


WRONG: list[tuple[Any, Any, str]] = [
    ("stack", "local", 'stack: "local" is not the tag of a stack; allowed: project/stack'),
    ("stack", None, "stack: is of another kind; allowed: text"),
    (
        "endpoint",
        "lamda",
        'endpoint: "lamda" is not a choice, did you mean lambda?; allowed: lambda, emulator',
    ),
    ("poll_s", 4, "poll_s: 4 is out of range; allowed: a whole number from 5 to 60"),
    ("poll_s", True, "poll_s: true is of another kind; allowed: a whole number from 5 to 60"),
    ("poll_s", "30", 'poll_s: "30" is of another kind; allowed: a whole number from 5 to 60'),
    ("pol_s", 5, "pol_s: is not a field, did you mean poll_s?; allowed: stack, endpoint, budget, "),
    ("budget", {"limit": "$5"}, 'budget.limit: "$5" is not a rate in dollars per time; allowed: "$2.29/h", '),
    ("budget", {"limit": "$5/h"}, "budget.alert_percent: is missing; allowed: a whole number from 1 to 100"),
    ("budget", [], "budget: is of another kind; allowed: an object"),
    ("machines", {"a": 1}, "machines.a: 1 is of another kind; allowed: an object"),
    ("machines", {"a": {"regions": ["x"]}}, "machines.a.types: is missing; allowed: a list of text"),
    ("machines", {"a": {"types": []}}, "machines.a.types: is empty or holds more than text; allowed: text, "),
    ("machines", {"a": {"types": ["x", 1]}}, "machines.a.types: is empty or holds more than text; allowed: "),
    ("machines", {"a": {"nod": "x"}}, "machines.a.nod: is not a field, did you mean node?; allowed: types, "),
    ("prices", {"as_of": "today"}, 'prices.as_of: "today" is not a day; allowed: a day such as 2026-08-20'),
    (
        "prices",
        {"usd_per_hour": {"gpu_1x_a10": "-1"}},
        'prices.usd_per_hour.gpu_1x_a10: "-1" is not an amount of dollars; allowed: dollars above zero',
    ),
    ("prices", {"usd_per_hour": {"gpu_1x_a10": 1.29}}, "prices.usd_per_hour.gpu_1x_a10: 1.29 is of another"),
]


@pytest.mark.parametrize(("key", "value", "message"), WRONG, ids=[f"{row[0]} {row[1]}" for row in WRONG])
def test_what_is_wrong_is_named_with_file_key_value_and_what_is_allowed(
    key: str, value: object, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_exporter_settings(json.dumps({**of(FILE).as_json(), key: value}), "settings.json")
    assert any(line.startswith(f"settings.json {message}") for line in str(caught.value).splitlines()), caught


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '"x"', "[" * 100_000])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"settings.json:.* is not (JSON|an object)"):
        read_exporter_settings(text, "settings.json")


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        read_exporter_settings("{}")
    keys = [problem.key for problem in caught.value.problems]
    assert {"stack", "endpoint", "budget", "poll_s", "machines", "prices"} <= set(keys)


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_weights_of_every_type_are_exact_shares(name: str) -> None:
    row = CATALOGUE[name]
    usd_per_hour = PriceBook.fallback().get(name)
    weights = cost_weights(usd_per_hour, vcpus=row.vcpus, memory_gib=row.memory_gib, gpus=row.gpu_count)
    shares = weights.as_mapping().values()
    assert sum(shares) == 1
    assert min(shares) >= 0
    assert (weights.gpu == 0) == (row.gpu_count == 0)
    if row.gpu_count:
        assert weights.gpu >= Decimal("0.5")


def test_the_weights_follow_from_what_cpu_and_memory_cost_alone() -> None:
    # 26 vCPUs at $0.20 / 2 / 4 and 360 GiB at $0.20 / 2 / 16, of $6.99.
    weights = cost_weights(Decimal("6.99"), vcpus=26, memory_gib=360, gpus=1)
    assert weights.cpu == (26 * Decimal("0.025") / Decimal("6.99")).quantize(Decimal("0.000001"))
    assert weights.memory == (360 * Decimal("0.00625") / Decimal("6.99")).quantize(Decimal("0.000001"))
    # 64 vCPUs and 432 GiB would be $4.30 of $2.29: cut to half, in proportion.
    weights = cost_weights(Decimal("2.29"), vcpus=64, memory_gib=432, gpus=1)
    assert weights.gpu == Decimal("0.5")
    assert weights.cpu / weights.memory == pytest.approx(
        Decimal("1.6") / Decimal("2.7"), abs=Decimal("0.00001")
    )
    assert cost_weights(Decimal("0.20"), vcpus=4, memory_gib=16, gpus=0).cpu == Decimal("0.5")
