"""`sophia inference break-even`: tokens a month from which an own GPU is cheaper. Asks nobody."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.views import make_console, plain_decimal
from sophia_infra.model.catalogue import parse_instance_type
from sophia_infra.model.errors import Refused
from sophia_infra.model.money import format_usd, format_usd_exact
from sophia_infra.model.price_book import PriceBook

if TYPE_CHECKING:
    from sophia_infra.inference.break_even import BreakEven, Mix

__all__ = ["run_break_even"]

_PLAN_BEFORE_USD, _PLAN_AFTER_USD = Decimal(930), Decimal(250)
_BOOKS = (("2025-07, the plan's", PriceBook.plan), ("2026-08-20", PriceBook.fallback))


def run_break_even(
    model: str,
    instance_type: str,
    *,
    hours: float,
    ratio: str,
    tokens_per_s: float | None,
    plot: Path | None,
    as_json: bool,
) -> ExitCode:
    """Compare one machine with one model's token price, at the plan's machine prices and at later ones.

    Args:
        hours: hours a month that the machine is paid.
        ratio: "3" or "3:1", input to output tokens.
        tokens_per_s: what the machine can work; None: no limit is claimed.
        plot: picture to write, .svg or .png.
    """
    from sophia_infra.inference.break_even import (
        OwnGpu,
        break_even,
        plot_break_even,
        saving_percent,
        tokens_for,
    )
    from sophia_infra.inference.catalogue import load_catalogue

    card, mix, type_name = load_catalogue().find(model), _mix(ratio), _type_name(instance_type)
    limit = None if tokens_per_s is None else Decimal(str(tokens_per_s))
    found: list[tuple[str, BreakEven]] = []
    for since, book in _BOOKS:
        if type_name not in book().usd_per_hour:  # the plan priced its own types only
            continue
        gpu = OwnGpu(f"{type_name}, prices of {since}", book().get(type_name), Decimal(str(hours)), limit)
        found.append((since, break_even(gpu, card.price(), mix)))
    if plot is not None:
        plot_break_even(plot, found[-1][1].gpu, [(card.name, card.price())], mix)
    bought = int(tokens_for(_PLAN_AFTER_USD, card.price(), mix))
    plan_saving = saving_percent(_PLAN_BEFORE_USD, _PLAN_AFTER_USD)
    if as_json:
        document = {
            "model": card.name,
            "instance_type": type_name,
            "mix": str(mix),
            "usd_per_million_tokens": plain_decimal(found[0][1].usd_per_million_tokens),
            "rows": [_document(since, row) for since, row in found],
            "plan": {
                "before_usd_per_month": str(_PLAN_BEFORE_USD),
                "after_usd_per_month": str(_PLAN_AFTER_USD),
                "saving_percent": str(plan_saving),
                "tokens_for_the_rest": bought,
            },
            "plot": None if plot is None else str(plot),
        }
        print(json.dumps(document, indent=2))
        return ExitCode.OK
    console = make_console()
    table = Table(pad_edge=False, box=None)
    table.add_column("Machine price of")
    for heading in ("$/month", "Cheaper from, tokens/month", "It can work", "GPUs for that"):
        table.add_column(heading, justify="right", no_wrap=True)
    for since, row in found:
        table.add_row(since, *_cells(row))
    blended = format_usd_exact(found[0][1].usd_per_million_tokens)
    console.print(
        f"{type_name} for {hours:g} h a month against {card.name} at {blended} per million tokens, "
        f"input to output {mix}:",
        soft_wrap=True,
    )
    console.print(table)
    console.print(
        f"The plan: {format_usd(_PLAN_BEFORE_USD)} a month before, {format_usd(_PLAN_AFTER_USD)} after, "
        f"{plan_saving} % less. The first is one A100 at 2025 prices; the second buys "
        f"{_millions(bought)} tokens of this model and mix.",
        soft_wrap=True,
    )
    if limit is None:
        console.print("What one machine can work is not known here: measure it, then give --tokens-per-s.")
    if plot is not None:
        console.print(f"Drawn: {plot}", soft_wrap=True)
    return ExitCode.OK


def _type_name(text: str) -> str:
    try:
        return parse_instance_type(text)
    except Refused as error:
        raise Refused(f"--type {text!r} {error.message}", allowed=error.allowed) from None


def _mix(ratio: str) -> Mix:
    from sophia_infra.inference.break_even import Mix

    before, _, after = ratio.partition(":")
    try:
        return Mix(int(before), int(after or "1"))
    except ValueError:
        raise Refused(f"{ratio!r} is not a ratio of tokens", allowed='"3:1", "1:1", "1:0"') from None


def _cells(row: BreakEven) -> tuple[str, ...]:
    most = row.gpu.tokens_per_month
    return (
        format_usd(row.gpu.usd_per_month),
        "never: tokens are free" if row.tokens is None else _millions(row.tokens),
        "not measured" if most is None else _millions(int(most)),
        "not measured" if row.gpus is None else f"{row.gpus}{'' if row.reachable else ': never pays'}",
    )


def _millions(tokens: int) -> str:
    return f"{tokens / 1_000_000:,.1f} M"


def _document(since: str, row: BreakEven) -> dict[str, Any]:
    most = row.gpu.tokens_per_month
    return {
        "prices_of": since,
        "usd_per_month": plain_decimal(row.gpu.usd_per_month),
        "break_even_tokens_per_month": row.tokens,
        "tokens_per_month_at_most": None if most is None else int(most),
        "reachable": row.reachable,
        "gpus": row.gpus,
    }
