"""The engine tier's fixtures, and a table of all kills at the end of the run."""

from __future__ import annotations

import pytest

from tests.engine.engine_fixtures import engine, project

__all__ = ["engine", "project"]

_ROWS = "kill_table_rows"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line per kill: what was killed when, and what the cloud counted afterwards."""
    rows = sorted(
        {
            str(row)
            for reports in terminalreporter.stats.values()
            for report in reports
            for name, row in getattr(report, "user_properties", ())
            if name == _ROWS
        }
    )
    if rows:
        terminalreporter.write_line("")
        terminalreporter.write_line(
            f"{'operation':<20}{'killed':<10}{'moment':<26}{'launched':>9}{'live':>6}{'orphans':>9}{'doubles':>9}"
        )
        for row in rows:
            terminalreporter.write_line(row)
