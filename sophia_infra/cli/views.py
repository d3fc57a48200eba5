"""Tables and lines that a person reads. Every function takes plain results and prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sophia_infra.model.money import HOURS_PER_MONTH, format_usd

if TYPE_CHECKING:
    from sophia_infra.model.catalogue import InstanceType
    from sophia_infra.model.price_book import PriceBook
    from sophia_infra.operations.doctor import Finding
    from sophia_infra.operations.fleet_status import FleetStatus

__all__ = [
    "make_console",
    "plain_decimal",
    "print_table",
    "short_path",
    "show_findings",
    "show_fleet",
    "show_types",
]

_REGIONS_NAMED = 3
_ENDLESS = 10_000
_STATUS_STYLES = {
    "active": "green",
    "booting": "yellow",
    "unhealthy": "bold red",
    "absent": "dim",
    "terminating": "yellow",
}


def make_console(*, stderr: bool = False) -> Console:
    """A console that wraps nothing when its output is not a terminal, so that tables stay whole in a log."""
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 160)
    return console


def print_table(console: Console, table: Table, *, least: Iterable[str]) -> None:
    """Print `table`; where the terminal is too narrow for it, without some columns rather than torn apart.

    Args:
        least: headings of the columns that may be left out, the one that is missed least first.
    """
    endless = console.options.update(width=_ENDLESS)
    left_out = []
    for heading in least:
        if console.measure(table, options=endless).maximum <= console.width:
            break
        kept = [column for column in table.columns if column.header != heading]
        if len(kept) < len(table.columns):
            # A column knows its place by its index, and is spaced by it.
            table.columns = [replace(column, _index=index) for index, column in enumerate(kept)]
            left_out.append(heading)
    console.print(table)
    if left_out:
        console.print(f"No room here for {', '.join(left_out)}: --json has all.", style="dim", soft_wrap=True)


def show_fleet(
    console: Console, title: str | None, status: FleetStatus, budget_usd_per_hour: Decimal
) -> None:
    """The main table: what runs, where, in which state, at what $/h and $/month, and the budget below it."""
    table = Table(title=title, title_justify="left", show_footer=True, pad_edge=False, box=None)
    table.add_column("Instance", footer=f"{len(status.rows)} instances", overflow="fold")
    for heading in ("Type", "GPU", "Arch", "Region", "Status", "Address"):
        table.add_column(heading, no_wrap=heading in ("Type", "Status", "Address"))
    table.add_column("$/h", justify="right", footer=format_usd(status.usd_per_hour), no_wrap=True)
    table.add_column("$/month", justify="right", footer=format_usd(status.usd_per_month), no_wrap=True)
    for row in status.rows:
        name = Text(row.name) if row.in_file else Text(f"{row.name} (not in the stack file)", "bold red")
        table.add_row(
            name,
            row.instance_type,
            row.gpu,
            row.architecture,
            row.region,
            Text(row.status, _STATUS_STYLES.get(row.status, "")),
            row.address or "-",
            format_usd(row.usd_per_hour),
            format_usd(row.usd_per_month),
        )
    print_table(console, table, least=("Arch", "GPU", "Address", "Region", "Type"))
    share = status.usd_per_hour * 100 / budget_usd_per_hour if budget_usd_per_hour else Decimal(0)
    budget_month = budget_usd_per_hour * HOURS_PER_MONTH
    style = "bold red" if share > 100 else ""
    console.print(
        f"Budget {format_usd(budget_month)}/month (720 h): {share:.0f} % of it at this rate.", style=style
    )
    if status.training_machines:
        console.print(
            f"Training of this stack: {status.training_machines} machines beside it, at "
            f"{format_usd(status.training_usd_per_hour)}/h (`sophia train list`)."
        )
    if status.other_machines:
        console.print(
            f"The account also runs {status.other_machines} machines that are not of this stack, "
            f"at {format_usd(status.other_usd_per_hour)}/h."
        )


def show_types(
    console: Console,
    types: Mapping[str, InstanceType],
    prices: PriceBook,
    capacity: Mapping[str, Iterable[str]] | None,
) -> None:
    """Instance types with price and, when the cloud was asked, the regions that list capacity now."""
    table = Table(pad_edge=False, box=None)
    for heading in ("Type", "GPU", "Arch", "vCPU", "Memory"):
        table.add_column(heading, no_wrap=True)
    table.add_column("$/h", justify="right")
    table.add_column("$/month", justify="right")
    if capacity is not None:
        table.add_column("Capacity now")
    for name, row in types.items():
        price = prices.get(name)
        cells = [name, row.description, row.architecture, str(row.vcpus), f"{row.memory_gib} GiB"]
        cells += [format_usd(price), format_usd(price * HOURS_PER_MONTH)]
        if capacity is not None:
            cells.append(_regions_in_short(tuple(capacity.get(name, ()))))
        table.add_row(*cells)
    print_table(console, table, least=("vCPU", "Memory", "Arch", "$/month", "Capacity now"))
    console.print(f"Prices of {prices.as_of.isoformat()}: {prices.source}")
    if capacity is not None:
        console.print("A listed capacity reserves nothing: a launch may still be refused.")


def _regions_in_short(regions: tuple[str, ...]) -> str:
    if len(regions) > _REGIONS_NAMED:
        return f"{', '.join(regions[:_REGIONS_NAMED])} and {len(regions) - _REGIONS_NAMED} more"
    return ", ".join(regions) or "none"


def show_findings(console: Console, stack: str, findings: Iterable[Finding]) -> None:
    """What doctor found, each with its cost and its fix."""
    found = list(findings)
    if not found:
        console.print(f"Stack {stack}: state and account agree. No orphans, nothing pending.")
        return
    for finding in found:
        console.print(Text(f"{finding.kind.value}: {finding.name} {finding.instance_id}", "bold"))
        console.print(f"  {finding.detail}", soft_wrap=True)
        if finding.usd_per_hour:
            so_far = "an unknown amount" if finding.usd_so_far is None else format_usd(finding.usd_so_far)
            console.print(f"  costs {format_usd(finding.usd_per_hour)}/h, {so_far} so far")
        console.print(f"  fix: {finding.fix}", soft_wrap=True)


def plain_decimal(value: Decimal) -> str:
    """`value` exactly, without exponent and without zeros at the end, for machines."""
    return f"{value.normalize():f}"


def short_path(path: Path) -> str:
    """`path` from here when it lies below the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
