"""Tables on a terminal that is too narrow for them: fewer columns, never torn rows or cut dollars."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from sophia_infra.cli.views import print_table

ROW = ("sophia-mcp-orchestrator", "gpu_1x_a6000", "us-south-1", "$1,048.80")
WHOLE = len("sophia-mcp-orchestrator  gpu_1x_a6000  us-south-1  $1,048.80")


def printed(width: int) -> list[str]:
    table = Table(pad_edge=False, box=None, show_footer=True)
    table.add_column("Instance", footer="1 instance")
    table.add_column("Type")
    table.add_column("Region")
    table.add_column("$/month", justify="right", no_wrap=True, footer="$1,048.80")
    table.add_row(*ROW)
    text = io.StringIO()
    print_table(Console(file=text, width=width), table, least=("Type", "No such heading", "Region"))
    return text.getvalue().splitlines()


def test_a_table_that_fits_is_shown_whole() -> None:
    lines = printed(WHOLE)
    assert lines[1].split() == list(ROW)
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("width", "row", "note"),
    [
        (WHOLE - 1, (ROW[0], ROW[2], ROW[3]), "No room here for Type: --json has all."),
        (40, (ROW[0], ROW[3]), "No room here for Type, Region: --json has all."),
    ],
)
def test_what_is_missed_least_is_left_out_and_named(width: int, row: tuple[str, ...], note: str) -> None:
    lines = printed(width)
    assert lines[1].split() == list(row)
    assert lines[2].split() == ["1", "instance", "$1,048.80"]
    assert lines[3:] == [note]


def test_the_columns_that_stay_keep_their_distance() -> None:
    lines = printed(WHOLE - 1)
    assert lines[1] == "sophia-mcp-orchestrator  us-south-1  $1,048.80"
