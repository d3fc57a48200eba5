"""One line per accepted and per refused form, and round trips: what is printed reads back equal."""

from __future__ import annotations

from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.model.catalogue import (
    CATALOGUE,
    REGIONS,
    human_instance_type,
    parse_instance_type,
    parse_region,
)
from sophia_infra.model.errors import AmbiguousInstanceType, Refused, UnknownInstanceType
from sophia_infra.model.inference import parse_base_url
from sophia_infra.model.money import (
    Period,
    Rate,
    format_usd,
    format_usd_exact,
    parse_rate,
    parse_usd,
    usd_from_cents,
)
from sophia_infra.model.value_types import PortRange, parse_ports, parse_source_network

amounts = st.decimals(min_value="0.01", max_value="999999999", places=2)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("gpu_1x_gh200", "gpu_1x_gh200"),
        ("cpu_4x_general", "cpu_4x_general"),
        ("1xGH200", "gpu_1x_gh200"),
        ("1xgh200", "gpu_1x_gh200"),
        ("1x GH200", "gpu_1x_gh200"),
        ("1xA100", "gpu_1x_a100"),  # the API's own name, not one of two candidates
        ("1xA100_PCIE", "gpu_1x_a100"),
        ("1xA100_SXM4", "gpu_1x_a100_sxm4"),
        ("1xA100-SXM4", "gpu_1x_a100_sxm4"),
        ("8xA100", "gpu_8x_a100"),
        ("8xA100_80GB", "gpu_8x_a100_80gb_sxm4"),
        ("8xH100", "gpu_8x_h100_sxm5"),
        ("1xH100_PCIE", "gpu_1x_h100_pcie"),
        ("1xB200", "gpu_1x_b200_sxm6"),
        ("8xV100", "gpu_8x_v100"),
        ("8xV100_N", "gpu_8x_v100_n"),
    ],
)
def test_a_type_is_accepted_as(text: str, name: str) -> None:
    assert parse_instance_type(text) == name


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ("1xH100", ("gpu_1x_h100_pcie", "gpu_1x_h100_sxm5")),
        ("1xA100_40GB", ("gpu_1x_a100", "gpu_1x_a100_sxm4")),
        ("8xA100_SXM4", ("gpu_8x_a100", "gpu_8x_a100_80gb_sxm4")),
    ],
)
def test_a_type_that_fits_several_is_refused_with_all_of_them(text: str, candidates: tuple[str, ...]) -> None:
    with pytest.raises(AmbiguousInstanceType) as caught:
        parse_instance_type(text)
    assert caught.value.candidates == candidates
    assert all(name in str(caught.value) for name in candidates)


@pytest.mark.parametrize(
    "text", ["", "GH200", "2xGH200", "1xGH20", "1xH200", "gpu_2x_a10", "0xA10", "9" * 5000]
)
def test_a_type_is_refused_as(text: str) -> None:
    with pytest.raises(UnknownInstanceType, match="is not an instance type"):
        parse_instance_type(text)


@given(st.sampled_from(sorted(CATALOGUE)))
def test_a_type_reads_back_from_its_short_form(name: str) -> None:
    assert parse_instance_type(human_instance_type(name)) == name


@given(st.text(max_size=20))
def test_any_text_is_a_known_type_or_refused(text: str) -> None:
    try:
        known = parse_instance_type(text) in CATALOGUE
    except Refused as refused:
        known = bool(refused.allowed)
    assert known


def test_regions_are_accepted_as_spelled_and_the_closest_is_named() -> None:
    assert [parse_region(code) for code in REGIONS] == list(REGIONS)
    with pytest.raises(Refused, match="did you mean us-east-3"):
        parse_region("us-east3")


@pytest.mark.parametrize(
    ("text", "usd_per_hour", "printed"),
    [
        ("$2.29/h", "2.29", "$2.29/h"),
        ("$2.29/hour", "2.29", "$2.29/h"),
        ("$48/day", "2", "$48/day"),
        ("$720/month", "1", "$720/month"),
        ("$3,600/month", "5", "$3,600/month"),
        ("$3600/month", "5", "$3,600/month"),
    ],
)
def test_a_rate_is_accepted_as(text: str, usd_per_hour: str, printed: str) -> None:
    assert parse_rate(text).usd_per_hour == Decimal(usd_per_hour)
    assert str(parse_rate(text)) == printed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "40",
        "$40",
        "40/day",
        "$40/week",
        "$ 40/day",
        "$40 / day",
        "$4,0/day",
        "$-40/day",
        "$0/day",
        "$1e3/h",
        "$٤/h",
    ],
)
def test_a_rate_is_refused_as(text: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_rate(text)
    assert caught.value.allowed == '"$2.29/h", "$40/day", "$1,000/month"'


@given(amounts, st.sampled_from(["h", "day", "month"]))
def test_a_rate_reads_back_as_printed(usd: Decimal, period: Period) -> None:
    assert parse_rate(str(Rate(usd, period))) == Rate(usd, period)


@given(amounts)
def test_a_rate_is_worth_the_same_in_every_period(usd: Decimal) -> None:
    assert Rate(usd, "h").usd_per_month == Rate(usd * 24, "day").usd_per_month == usd * 720
    assert Rate(usd * 24, "day").usd_per_day == usd * 24 == Rate(usd, "h").usd_per_day


@pytest.mark.parametrize(
    ("text", "usd"),
    [("$5", "5"), ("$5.00", "5.00"), ("$0.08", "0.08"), ("$0.015", "0.015"), ("$1,000", "1000")],
)
def test_an_amount_is_accepted_as(text: str, usd: str) -> None:
    assert parse_usd(text) == Decimal(usd)


@pytest.mark.parametrize(
    "text", ["", "5", "$", "$5.", "$.5", "€5", "$1.000,50", "$10,00", "$0", "-$5", "$5\n", "$NaN"]
)
def test_an_amount_is_refused_as(text: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_usd(text)
    assert caught.value.allowed == '"$5", "$0.08", "$1,000"'


@given(st.decimals(min_value="0.000001", max_value="999999999", places=6))
def test_an_amount_reads_back_as_printed(usd: Decimal) -> None:
    assert parse_usd(format_usd_exact(usd)) == usd


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        ("7.35", "$7.35"),
        ("5292", "$5,292.00"),
        ("0.005", "$0.01"),
        ("0", "$0.00"),
        ("-1", "-$1.00"),
        ("-0.001", "$0.00"),
    ],
)
def test_dollars_are_printed_for_people(usd: str, text: str) -> None:
    assert format_usd(Decimal(usd)) == text


def test_cents_become_exact_dollars() -> None:
    assert str(usd_from_cents(229)) == "2.29"
    assert str(usd_from_cents(5)) == "0.05"


@pytest.mark.parametrize(
    ("value", "ports"),
    [
        ("22", (22, 22)),
        (22, (22, 22)),
        ("8000-8100", (8000, 8100)),
        ("1-65535", (1, 65535)),
        ("80-80", (80, 80)),
    ],
)
def test_ports_are_accepted_as(value: object, ports: tuple[int, int]) -> None:
    assert parse_ports(value) == PortRange(*ports)


@pytest.mark.parametrize(
    "value", ["", "0", "65536", "22,80", "22-", "-22", "81-80", "ssh", " 22", True, 22.0, None, [22]]
)
def test_ports_are_refused_as(value: object) -> None:
    with pytest.raises(Refused):
        parse_ports(value)


@given(st.integers(1, 65535), st.integers(1, 65535))
def test_ports_read_back_as_printed(one: int, other: int) -> None:
    ports = PortRange(min(one, other), max(one, other))
    assert parse_ports(str(ports)) == ports


@pytest.mark.parametrize(
    ("text", "network"),
    [("203.0.113.0/24", "203.0.113.0/24"), ("203.0.113.7", "203.0.113.7/32"), ("0.0.0.0/0", "0.0.0.0/0")],
)
def test_a_network_is_accepted_as(text: str, network: str) -> None:
    assert str(parse_source_network(text)) == network


@pytest.mark.parametrize(
    "value",
    [
        "",
        "203.0.113.7/24",
        "203.0.113/24",
        "256.0.0.0/8",
        "10.0.0.0/33",
        "10.0.0.0/255.0.0.0",
        "::/0",
        "any",
        10,
        None,
    ],
)
def test_a_network_is_refused_as(value: object) -> None:
    with pytest.raises(Refused):
        parse_source_network(value)


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_a_network_reads_back_as_printed(address: IPv4Address, prefix: int) -> None:
    network = IPv4Network((address, prefix), strict=False)
    assert parse_source_network(str(network)) == network


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("https://inference.example/v1/", "https://inference.example/v1"),
    ],
)
def test_an_address_is_accepted_as(text: str, url: str) -> None:
    assert parse_base_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "inference.example",
        "ftp://x/v1",
        "http://",
        "http://x:99999/v1",
        "http://x/v1?key=1",
        "http://x /v1",
        "http://[x/",
    ],
)
def test_an_address_is_refused_as(text: str) -> None:
    with pytest.raises(Refused):
        parse_base_url(text)
