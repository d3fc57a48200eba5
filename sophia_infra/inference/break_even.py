"""From how many tokens a month an own GPU is cheaper than paying by the token. Pure, in Decimal.

Formulas:
    usd_per_month      = usd_per_hour x hours
    blended price      = (input_parts x input price + output_parts x output price) / all parts
    break-even tokens  = usd_per_month / blended price
    most it can work   = throughput x 3600 x hours
A month is 720 h unless another number of hours is given. The GPU is paid while it idles; tokens are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

from sophia_infra.inference.errors import SettingsRefused
from sophia_infra.inference.usage import Price

__all__ = [
    "HOURS_PER_MONTH",
    "BreakEven",
    "Mix",
    "OwnGpu",
    "blended_usd_per_million",
    "break_even",
    "plot_break_even",
    "saving_percent",
    "tokens_for",
]

HOURS_PER_MONTH = Decimal(720)
_MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Mix:
    """Input to output tokens. 3:1 is the plan's; `Mix(1, 0)` is input alone."""

    input_parts: int = 3
    output_parts: int = 1

    def __post_init__(self) -> None:
        if self.input_parts < 0 or self.output_parts < 0 or not self.input_parts + self.output_parts:
            raise ValueError(f"{self} has a negative part or no part above 0")

    def __str__(self) -> str:
        return f"{self.input_parts}:{self.output_parts}"


@dataclass(frozen=True, slots=True)
class OwnGpu:
    """A machine paid by the hour.

    Attributes:
        hours: hours paid in a month, idle ones included.
        tokens_per_s: input and output tokens together that it works at most, measured for the model and the
            mix at hand; None when nobody measured it, and then no limit is claimed.
    """

    name: str
    usd_per_hour: Decimal
    hours: Decimal = HOURS_PER_MONTH
    tokens_per_s: Decimal | None = None

    def __post_init__(self) -> None:
        if self.usd_per_hour < 0 or self.hours <= 0 or (self.tokens_per_s or 0) < 0:
            raise ValueError(f"{self.name}: a price below 0, no hours, or a throughput below 0")

    @property
    def usd_per_month(self) -> Decimal:
        return self.usd_per_hour * self.hours

    @property
    def tokens_per_month(self) -> Decimal | None:
        """Most that it can work in its hours, always full; None when not measured."""
        return None if self.tokens_per_s is None else self.tokens_per_s * 3600 * self.hours


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Where both ways cost the same.

    Attributes:
        tokens: tokens a month from which the GPU is not dearer, rounded up; None when tokens are free.
        reachable: whether one GPU can work so many; None when its throughput was not measured.
        gpus: GPUs that so many tokens need; None when not measured. Above 1 the GPU never pays at this price:
            its cost grows with the tokens.
    """

    gpu: OwnGpu
    mix: Mix
    usd_per_million_tokens: Decimal
    tokens: int | None
    reachable: bool | None
    gpus: int | None


def blended_usd_per_million(price: Price, mix: Mix) -> Decimal:
    """Dollars for a million tokens of this mix."""
    return _parts_usd(price, mix) / (mix.input_parts + mix.output_parts)


def _parts_usd(price: Price, mix: Mix) -> Decimal:
    return price.usd_per_million_input * mix.input_parts + price.usd_per_million_output * mix.output_parts


def tokens_for(usd: Decimal, price: Price, mix: Mix) -> Decimal:
    """Tokens of this mix that `usd` buys. ValueError where tokens are free."""
    parts_usd = _parts_usd(price, mix)
    if not parts_usd:
        raise ValueError("tokens that cost nothing have no break-even")
    # One division, the last step: what comes out even is not rounded.
    return usd * _MILLION * (mix.input_parts + mix.output_parts) / parts_usd


def break_even(gpu: OwnGpu, price: Price, mix: Mix | None = None) -> BreakEven:
    """Tokens a month from which `gpu` is cheaper than `price`, and whether it can work so many."""
    mix = mix or Mix()
    blended = blended_usd_per_million(price, mix)
    if not blended:
        return BreakEven(gpu, mix, blended, tokens=None, reachable=None, gpus=None)
    tokens = tokens_for(gpu.usd_per_month, price, mix).to_integral_value(ROUND_CEILING)
    most = gpu.tokens_per_month
    if most is None:
        return BreakEven(gpu, mix, blended, int(tokens), reachable=None, gpus=None)
    gpus = int((tokens / most).to_integral_value(ROUND_CEILING)) if most else None
    return BreakEven(gpu, mix, blended, int(tokens), reachable=tokens <= most, gpus=gpus)


def saving_percent(before_usd: Decimal, after_usd: Decimal) -> Decimal:
    """Part saved of `before_usd`, in percent to one decimal. ValueError when nothing was paid before."""
    if before_usd <= 0:
        raise ValueError("nothing was paid before, so nothing can be saved")
    return ((before_usd - after_usd) / before_usd * 100).quantize(Decimal("0.1"))


def plot_break_even(
    path: Path, gpu: OwnGpu, prices: Sequence[tuple[str, Price]], mix: Mix | None = None
) -> tuple[BreakEven, ...]:
    """Draw dollars a month over tokens a month, one line for each price and one for the GPU.

    Args:
        path: where the picture goes; `.svg` or `.png`. Replaced when it is there.
        prices: name and price, at least one.

    Returns:
        What was drawn, in the order of `prices`.

    Raises:
        SettingsRefused: matplotlib is not installed, or `path` ends otherwise.
        ValueError: no price above 0.
    """
    if path.suffix not in (".svg", ".png"):
        raise SettingsRefused(
            f"A picture ends in .svg or .png, and {path.name} does not.", next_step="Name it so."
        )
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise SettingsRefused("Drawing needs matplotlib.", next_step="Install sophia-infra[plot].") from None
    found = tuple(break_even(gpu, price, mix) for _, price in prices)
    crossings = [item.tokens for item in found if item.tokens]
    if not crossings:
        raise ValueError("no price is above 0, so no lines cross")
    figure = Figure(figsize=(8, 5), layout="constrained")
    _draw(figure.subplots(), gpu, [name for name, _ in prices], found, Decimal(max(crossings)) * 5 / 4)
    # The same figures give the same file.
    with rc_context({"svg.hashsalt": "sophia"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    return found


def _draw(axes: Any, gpu: OwnGpu, names: Sequence[str], found: Sequence[BreakEven], right: Decimal) -> None:
    # Floats from here on: positions on paper, no money.
    usd_per_month = float(gpu.usd_per_month)
    axes.axhline(usd_per_month, color="black", label=f"{gpu.name}: ${gpu.usd_per_month:,.2f} a month")
    for name, item in zip(names, found, strict=True):
        end_usd = float(right / _MILLION * item.usd_per_million_tokens)
        (line,) = axes.plot([0, float(right / _MILLION)], [0, end_usd], label=name)
        if item.tokens:
            at = item.tokens / 1e6
            axes.plot([at], [usd_per_month], "o", color=line.get_color())
            axes.annotate(f"{at:,.0f} M", (at, usd_per_month), (4, -14), textcoords="offset points")
    most = gpu.tokens_per_month
    if most is not None and most <= right:
        axes.axvline(float(most / _MILLION), linestyle=":", color="grey", label="most that it can work")
    axes.set_xlim(0, float(right / _MILLION))
    axes.set_ylim(0, usd_per_month * 1.5 or 1)
    axes.set_xlabel(f"million tokens a month, input to output {found[0].mix}")
    axes.set_ylabel("dollars a month")
    axes.legend(loc="lower right")
