"""The plan's figures, and what they leave out: a GPU has a most that it can work."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.inference.break_even import (
    Mix,
    OwnGpu,
    break_even,
    plot_break_even,
    saving_percent,
    tokens_for,
)
from sophia_infra.inference.errors import SettingsRefused
from sophia_infra.inference.usage import Price, Tokens

A100 = OwnGpu("A100", Decimal("1.29"))


def price(usd_per_million_input: str, usd_per_million_output: str) -> Price:
    return Price(Decimal(usd_per_million_input), Decimal(usd_per_million_output))


SCOUT = price("0.08", "0.30")
PRICES = {
    "scout": SCOUT,
    "maverick": price("0.18", "0.60"),
    "deepseek": price("0.34", "0.88"),
    "405B": price("0.80", "0.80"),
    "qwen": price("0.10", "0.30"),
}


@pytest.mark.parametrize(
    ("model", "millions"),
    [
        ("scout", "1851.9"),
        ("maverick", "877.2"),
        ("deepseek", "526.3"),
        ("405B", "312.5"),
        ("qwen", "1666.7"),
    ],
)
def test_250_dollars_a_month_in_tokens_at_3_to_1(model: str, millions: str) -> None:
    tokens = tokens_for(Decimal(250), PRICES[model], Mix(3, 1))
    assert (tokens / 1_000_000).quantize(Decimal("0.1")) == Decimal(millions)


def test_a_month_of_an_a100_is_6880_million_scout_tokens() -> None:
    assert A100.usd_per_month == Decimal("928.80")
    found = break_even(A100, SCOUT)
    assert found.tokens == 6_880_000_000
    assert (found.reachable, found.gpus) == (None, None)


def test_the_plans_saving_is_one_row() -> None:
    assert saving_percent(Decimal(930), Decimal(250)) == Decimal("73.1")


def test_break_even_beyond_the_throughput_is_called_so() -> None:
    """2,654 tokens a second would have to run all month; at 1,000 it takes three GPUs, which cost thrice."""
    slow = OwnGpu("A100", Decimal("1.29"), tokens_per_s=Decimal(1_000))
    assert slow.tokens_per_month == 2_592_000_000
    found = break_even(slow, SCOUT)
    assert (found.tokens, found.reachable, found.gpus) == (6_880_000_000, False, 3)
    fast = OwnGpu("A100", Decimal("1.29"), tokens_per_s=Decimal(3_000))
    assert break_even(fast, SCOUT).reachable is True
    idle = OwnGpu("A100", Decimal("1.29"), tokens_per_s=Decimal(0))
    assert (break_even(idle, SCOUT).reachable, break_even(idle, SCOUT).gpus) == (False, None)


def test_free_tokens_have_no_break_even() -> None:
    assert break_even(A100, price("0", "0")).tokens is None
    with pytest.raises(ValueError, match="no break-even"):
        tokens_for(Decimal(1), price("0", "0"), Mix())


@given(
    st.decimals("0.01", "10", places=2),
    st.decimals("0.01", "10", places=2),
    st.decimals("0.1", "50", places=2),
    st.integers(0, 9),
    st.integers(1, 9),
)
def test_at_the_break_even_the_gpu_is_not_dearer_and_one_mix_below_it_is(
    usd_in: Decimal, usd_out: Decimal, usd_per_hour: Decimal, input_parts: int, output_parts: int
) -> None:
    paid = Price(usd_in, usd_out)
    gpu, mix = OwnGpu("gpu", usd_per_hour), Mix(input_parts, output_parts)
    tokens = break_even(gpu, paid, mix).tokens
    assert tokens is not None
    parts = input_parts + output_parts
    above = -(-tokens // parts)
    assert paid.usd(Tokens(above * input_parts, above * output_parts)) >= gpu.usd_per_month
    below = tokens // parts - 1
    assert paid.usd(Tokens(below * input_parts, below * output_parts)) < gpu.usd_per_month


@pytest.mark.parametrize("parts", [(-1, 1), (0, 0)])
def test_an_impossible_mix_is_refused(parts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="part"):
        Mix(*parts)


def test_an_impossible_machine_is_refused() -> None:
    with pytest.raises(ValueError, match="no hours"):
        OwnGpu("gpu", Decimal(1), hours=Decimal(0))
    with pytest.raises(ValueError, match="nothing was paid"):
        saving_percent(Decimal(0), Decimal(0))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "head"), [("break-even.svg", b"<?xml"), ("break-even.png", b"\x89PNG")])
def test_the_picture_is_drawn(tmp_path: Path, name: str, head: bytes) -> None:
    """Slow: matplotlib takes a second to import; it buys that the picture is one."""
    gpu = OwnGpu("A100", Decimal("1.29"), tokens_per_s=Decimal(1_000))
    found = plot_break_even(tmp_path / name, gpu, list(PRICES.items()))
    assert (tmp_path / name).read_bytes().startswith(head)
    assert found[0].tokens == 6_880_000_000
    drawn = (tmp_path / name).read_bytes()
    plot_break_even(tmp_path / name, gpu, list(PRICES.items()))
    assert (tmp_path / name).read_bytes() == drawn


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SettingsRefused, match=r"sophia-infra\[plot\]"):
        plot_break_even(tmp_path / "a.svg", A100, [("scout", SCOUT)])


def test_another_kind_of_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match=r"\.svg or \.png"):
        plot_break_even(tmp_path / "a.txt", A100, [("scout", SCOUT)])


def test_free_tokens_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no lines cross"):
        plot_break_even(tmp_path / "a.svg", A100, [("free", price("0", "0"))])
