"""`sophia report`: one HTML file about a stack, for people who have no terminal."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sophia_infra.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from sophia_infra.cli.stack_context import StackContext
    from sophia_infra.cost.forecast import DayCost
    from sophia_infra.reports.figures import Figure
    from sophia_infra.reports.history import History

__all__ = ["run_report"]

_NO_PROMETHEUS = "no Prometheus was given: --prometheus URL"


def run_report(
    stack: str,
    *,
    prometheus: str | None,
    gateway: str | None,
    out: Path,
    days: int,
    ledger_env: str | None,
    as_json: bool,
) -> ExitCode:
    """Write the file and print its path and headline.

    Args:
        prometheus, gateway: addresses; a report is not written when one that was named does not answer.
        out: replaced when it holds a page.
        days: of history, 1 to 400.
        ledger_env: variable with the URL of the inference ledger, read where there is no Prometheus.

    With `as_json` one document: path, bytes, headline, and `snapshot` as `sophia monitor --json` has it.
    """
    from sophia_infra.cli.stack_context import open_stack
    from sophia_infra.cli.stack_sources import open_gatherer, prometheus_of
    from sophia_infra.cli.views import short_path
    from sophia_infra.reports import words
    from sophia_infra.reports.history import no_history, read_history
    from sophia_infra.reports.rendering import render_report
    from sophia_infra.reports.snapshot import with_history
    from sophia_infra.reports.writing import check_output, write_report

    check_output(out)
    context = open_stack(stack)
    api = prometheus_of(prometheus)
    gatherer = open_gatherer(context, prometheus=api, gateway=gateway)
    snapshot = gatherer.gather()
    if gatherer.failed:
        raise gatherer.failed[0]
    if api is None:
        history = no_history(days, _NO_PROMETHEUS)
    else:
        history = read_history(api, api.query("time()")[0].value, days)
    history = _with_ledger(history, context, ledger_env, days)
    snapshot = with_history(snapshot, history.cost)
    size_bytes = write_report(out, render_report(snapshot, history))
    headline = words.headline(snapshot)
    if as_json:
        document = {
            "path": str(out.absolute()),
            "bytes": size_bytes,
            "headline": headline,
            "snapshot": snapshot.as_json(),
        }
        print(json.dumps(document, indent=2))
        return ExitCode.OK
    for line in (words.stray_words(snapshot), f"Stack {context.name}: {headline}."):
        if line:
            print(line)
    print(f"Written: {short_path(out.absolute())} ({size_bytes / 1024:.0f} KiB)")
    return ExitCode.OK


def _with_ledger(history: History, context: StackContext, ledger_env: str | None, days: int) -> History:
    """The ledger tells days of inference exactly; it is asked when it was named, or nothing else knows."""
    if ledger_env is None and (history.inference.is_known or context.config.endpoint != "emulator"):
        return history
    return replace(history, inference=_ledger_days(context, ledger_env, days))


def _ledger_days(context: StackContext, ledger_env: str | None, days: int) -> Figure[tuple[DayCost, ...]]:
    from sophia_infra.cli.inference_ledger import ledger_address
    from sophia_infra.reports.figures import known, unknown

    address = ledger_address(context, ledger_env)
    if address is None:
        return unknown("no gateway of this stack has run yet", "the inference ledger")
    from sophia_infra.cost.forecast import DayCost
    from sophia_infra.inference.ledger import open_ledger, usage_report

    now = datetime.now(UTC)
    since = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    with open_ledger(address) as ledger:
        rows = usage_report(ledger, "day", since, None).rows
    if not rows:
        return unknown(f"the ledger holds no calls of the last {days} days", "the inference ledger")
    found = (DayCost(date.fromisoformat(row.name), row.usd) for row in rows)
    return known(tuple(found), "the inference ledger", now.timestamp())
