"""`sophia inference models`: the catalogue, and which backend of the stack serves what."""

from __future__ import annotations

import json

from rich.table import Table

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.stack_context import open_stack
from sophia_infra.cli.views import make_console
from sophia_infra.model.money import format_usd_exact

__all__ = ["run_models"]


def run_models(stack: str, *, as_json: bool) -> ExitCode:
    """Print every model with its limits, price and backends. Asks nobody."""
    from sophia_infra.inference.catalogue import load_catalogue

    gateway = open_stack(stack).config.gateway
    backends = gateway.backends if gateway is not None else {}
    rows = []
    for card in load_catalogue():
        price = card.price()
        rows.append(
            {
                "model": card.name,
                "aliases": list(card.aliases),
                "context_tokens": card.context_tokens,
                "max_output_tokens": card.max_output_tokens,
                "usd_per_million_input": format_usd_exact(price.usd_per_million_input),
                "usd_per_million_output": format_usd_exact(price.usd_per_million_output),
                "use": card.use,
                "backends": [name for name, backend in backends.items() if card.name in backend.models],
            }
        )
    if as_json:
        print(json.dumps(rows, indent=2))
        return ExitCode.OK
    table = Table(pad_edge=False, box=None)
    table.add_column("Model", overflow="fold")
    for heading in ("Context", "$/M in", "$/M out"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Backends")
    table.add_column("Good for", overflow="fold")
    for row in rows:
        served = row["backends"]
        table.add_row(
            str(row["model"]),
            f"{row['context_tokens']:,}",
            str(row["usd_per_million_input"]),
            str(row["usd_per_million_output"]),
            ", ".join(served) if isinstance(served, list) and served else "-",
            str(row["use"]),
        )
    console = make_console()
    console.print(table)
    console.print(
        "Prices are the plan's of July 2025, here transfer prices: own GPUs are paid by the hour.",
        soft_wrap=True,
    )
    return ExitCode.OK
