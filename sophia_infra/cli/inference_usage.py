"""`sophia inference usage` and `copy`: what stands in the ledger."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.table import Table

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.inference_ledger import ledger_address
from sophia_infra.cli.stack_context import open_stack
from sophia_infra.cli.views import make_console, plain_decimal
from sophia_infra.model.errors import Refused
from sophia_infra.model.money import format_usd

if TYPE_CHECKING:
    from rich.console import Console

    from sophia_infra.inference.ledger import Ledger, ReportBy, UsageReport, UsageRow
    from sophia_infra.model.gateway import GatewayConfig

__all__ = ["format_small_usd", "run_copy", "run_usage"]

_NOTHING_YET = "Nothing was used yet: no gateway of this stack has run. `sophia up` starts the local one."


def run_usage(
    stack: str,
    by: ReportBy,
    since: datetime | None,
    until: datetime | None,
    *,
    ledger_env: str | None,
    as_json: bool,
) -> ExitCode:
    """Print the report. `since` and `until` are days in UTC."""
    context = open_stack(stack)
    address = ledger_address(context, ledger_env)
    if address is None:
        print(json.dumps({"rows": [], "total": None, "budget": []}) if as_json else _NOTHING_YET)
        return ExitCode.OK
    from sophia_infra.inference.ledger import open_ledger, usage_report

    now = datetime.now(UTC)
    with open_ledger(address) as ledger:
        report = usage_report(ledger, by, _utc(since), _utc(until))
        budget = _budget_rows(ledger, context.config.gateway, now)
    if as_json:
        document = {
            "by": report.by,
            "rows": [_row_document(row) for row in report.rows],
            "total": _row_document(report.total),
            "budget": budget,
        }
        print(json.dumps(document, indent=2))
        return ExitCode.OK
    console = make_console()
    if not report.rows:
        console.print("Nothing was used in this time.")
    else:
        _show_report(console, report)
    for row in budget:
        console.print(_budget_line(row), soft_wrap=True)
    return ExitCode.OK


def run_copy(stack: str, to_env: str, *, ledger_env: str | None, as_json: bool) -> ExitCode:
    """Copy new entries to Snowflake."""
    target = os.environ.get(to_env)
    if not target:
        raise Refused(f"the variable {to_env} is not set; it holds the URL: snowflake://user:...@account/db")
    context = open_stack(stack)
    address = ledger_address(context, ledger_env)
    if address is None:
        print(json.dumps({"read": 0, "copied": 0}) if as_json else _NOTHING_YET)
        return ExitCode.OK
    from sophia_infra.inference.ledger import copy_to_snowflake, open_ledger

    with open_ledger(address) as ledger:
        result = copy_to_snowflake(ledger, target)
    document = {"read": result.read, "copied": result.written}
    print(json.dumps(document) if as_json else f"{result.read} new entries read, {result.written} copied.")
    return ExitCode.OK


def format_small_usd(usd: Decimal) -> str:
    """Dollars with cents, and with six decimals where it is less than one: a call costs far below a cent."""
    return format_usd(usd) if usd >= 1 or not usd else f"${usd:.6f}"


def _utc(day: datetime | None) -> datetime | None:
    return None if day is None else day.replace(tzinfo=UTC)


def _budget_rows(ledger: Ledger, gateway: GatewayConfig | None, now: datetime) -> list[dict[str, Any]]:
    """What is spent and set aside in the present windows of all users together, beside the limits."""
    from sophia_infra.inference.budgets import ALL_SCOPE, window_limit_usd, windows
    from sophia_infra.inference.ledger.deciding import WindowKey

    if gateway is None:
        return []
    keys = {window: WindowKey(ALL_SCOPE, window, start) for window, start in windows(now)}
    sums = ledger.windows(keys.values())
    rows = []
    for window, key in keys.items():
        found = sums.get(key)
        rows.append(
            {
                "window": window,
                "spent_usd": plain_decimal(found.spent_usd if found else Decimal(0)),
                "reserved_usd": plain_decimal(found.reserved_usd if found else Decimal(0)),
                "limit_usd": plain_decimal(window_limit_usd(gateway.budget, window)),
            }
        )
    return rows


def _budget_line(row: Mapping[str, str]) -> str:
    spent, reserved, limit = (Decimal(row[name]) for name in ("spent_usd", "reserved_usd", "limit_usd"))
    percent = f"{spent * 100 / limit:.1f} %" if limit else "-"
    aside = f", {format_small_usd(reserved)} set aside" if reserved else ""
    return f"This {row['window']}: {format_small_usd(spent)} of {format_usd(limit)} ({percent}){aside}."


def _show_report(console: Console, report: UsageReport) -> None:
    total = report.total
    table = Table(show_footer=True, pad_edge=False, box=None)
    table.add_column(report.by.capitalize(), footer="total", overflow="fold")
    figures = (
        ("Requests", f"{total.requests:,}"),
        ("Input tokens", f"{total.tokens.input:,}"),
        ("Output tokens", f"{total.tokens.output:,}"),
        ("Input $", format_small_usd(total.input_usd)),
        ("Output $", format_small_usd(total.output_usd)),
        ("Total $", format_small_usd(total.usd)),
        ("Share", ""),
    )
    for heading, footer in figures:
        table.add_column(heading, footer=footer, justify="right", no_wrap=True)
    for row in report.rows:
        table.add_row(
            row.name,
            f"{row.requests:,}",
            f"{row.tokens.input:,}",
            f"{row.tokens.output:,}",
            format_small_usd(row.input_usd),
            format_small_usd(row.output_usd),
            format_small_usd(row.usd),
            f"{row.share * 100:.1f} %",
        )
    console.print(table)
    if total.unknown_requests:
        console.print(
            f"{total.unknown_requests} of them ended without a word, with their process or connection; they "
            f"are booked at the most that they can have cost, {format_small_usd(total.unknown_usd)}.",
            soft_wrap=True,
        )


def _row_document(row: UsageRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "requests": row.requests,
        "input_tokens": row.tokens.input,
        "output_tokens": row.tokens.output,
        "input_usd": plain_decimal(row.input_usd),
        "output_usd": plain_decimal(row.output_usd),
        "usd": plain_decimal(row.usd),
        "share": plain_decimal(row.share),
        "unknown_requests": row.unknown_requests,
        "unknown_usd": plain_decimal(row.unknown_usd),
    }
