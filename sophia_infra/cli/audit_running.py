"""`sophia audit list` and `verify`: the logs of a stack read, and shown to people or machines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sophia_infra.audit.chained_file import holds_line
from sophia_infra.cli.audit_timeline import ChainReport, TimelineRow, parse_since, timeline, verify_logs
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.views import make_console
from sophia_infra.engine.home import Home, open_home
from sophia_infra.model.errors import Refused, did_you_mean
from sophia_infra.model.money import format_usd

__all__ = ["run_list", "run_verify"]

_HASH = re.compile(r"[0-9a-f]{64}")
_STYLES = {"done": "green", "begun": "dim", "failed": "bold red", "interrupted": "yellow"}


def run_list(stack: str, *, since: str | None, as_json: bool) -> ExitCode:
    """Print the timeline; nothing recorded is no fault."""
    home = _home_with(stack)
    start = None if since is None else parse_since(since, datetime.now(UTC))
    rows = timeline(home, stack, since=start)
    if as_json:
        print(json.dumps({"stack": stack, "entries": [row.as_json() for row in rows]}, indent=2))
        return ExitCode.OK
    console = make_console()
    if not rows:
        console.print(f"Nothing is recorded for stack {stack}" + (f" since {since}." if since else "."))
        return ExitCode.OK
    _show(console, rows)
    return ExitCode.OK


def run_verify(stack: str, *, head: str | None, as_json: bool) -> ExitCode:
    """Check every chain of the stack; `head` must still be the hash of a line of its own log."""
    home = _home_with(stack)
    if head is not None and not _HASH.fullmatch(head):
        raise Refused(f"{head!r} is no hash: give the 64 hex digits that `sophia audit verify` printed")
    reports = verify_logs(home, stack)
    problems = [f"{report.path}: {problem}." for report in reports for problem in report.problems]
    if head is not None and not any(holds_line(report.path, head) for report in reports):
        problems.append(f"{reports[0].path}: no line has the hash {head}: lines were taken off the end.")
    if as_json:
        document = {"stack": stack, "intact": not problems, "problems": problems, "logs": _rows(reports)}
        print(json.dumps(document, indent=2))
    else:
        _say(reports, problems)
    return ExitCode.FINDINGS if problems else ExitCode.OK


def _home_with(stack: str) -> Home:
    """The home of a stack that has a file or a log: what was done must be readable beside a broken file."""
    home = open_home()
    files = {path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in _stack_files(home)}
    known = files | {path.stem for path in (home.root / "audit" / "stacks").glob("*.jsonl")}
    if stack not in known:
        raise Refused(f"there is no stack {stack!r} in {home.checkout}{did_you_mean(stack, sorted(known))}")
    return home


def _stack_files(home: Home) -> Iterable[Path]:
    return home.checkout.glob("Pulumi.*.yaml")


def _rows(reports: Sequence[ChainReport]) -> list[dict[str, object]]:
    return [
        {
            "log": one.log,
            "path": str(one.path),
            "lines": one.lines,
            "head": one.head,
            "problems": one.problems,
        }
        for one in reports
    ]


def _say(reports: Iterable[ChainReport], problems: Sequence[str]) -> None:
    for report in reports:
        if report.head is None:
            print(f"{report.log}: nothing recorded ({_short(report.path)})")
        elif not report.problems:
            print(f"{report.log}: {report.lines} lines, intact, head {report.head} ({_short(report.path)})")
    for problem in problems:
        print(f"broken: {problem}")
    if problems:
        print("Next: find out by whom; keep the file as it is, and compare it with a backup of it.")


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _show(console: Console, rows: Sequence[TimelineRow]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("When (UTC)", "Who", "What", "Subject", "Why", "$/month", "Outcome"):
        table.add_column(
            heading,
            no_wrap=heading in ("When (UTC)", "$/month"),
            overflow="fold",
            justify="right" if heading == "$/month" else "left",
        )
    for row in rows:
        amount = row.usd_per_month_change
        dollars = "-" if amount is None else ("+" if amount > 0 else "") + format_usd(amount)
        outcome = Text(row.outcome, _STYLES.get(row.outcome, ""))
        when = row.when.replace("T", " ").removesuffix("Z")
        cells = (when, row.who, row.action, row.subject, row.why)
        table.add_row(*(Text(cell) for cell in cells), dollars, outcome)
    console.print(table)
