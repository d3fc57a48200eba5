"""What some tests count is printed at the end of the run, whichever process counted it.

A test records a line with `record_property(SUMMARY_LINE, text)`, or a row of the kill table with
`record_property(KILL_ROW, text)`. This lies at the top because only here does the process that prints see it.
"""

from __future__ import annotations

import gc

import pytest
from hypothesis import settings

from tests.effort import examples
from tests.summary import KILL_ROW, KILL_TABLE_HEADING, SUMMARY_LINE

# A busy machine is no failure; speed is measured by `make bench`.
settings.register_profile("untimed", deadline=None, max_examples=examples(100))
settings.load_profile("untimed")


def pytest_collection_finish() -> None:
    """Take ten thousand collected tests, and all modules, out of what each look for garbage goes through."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the recorded lines, and the kill table when there is one."""
    lines, rows = _recorded(terminalreporter, SUMMARY_LINE), _recorded(terminalreporter, KILL_ROW)
    if lines or rows:
        terminalreporter.write_line("")
    for line in [*lines, *([KILL_TABLE_HEADING] if rows else []), *rows]:
        terminalreporter.write_line(line)


def _recorded(reporter: pytest.TerminalReporter, name: str) -> list[str]:
    return sorted(
        {
            str(value)
            for reports in reporter.stats.values()
            for report in reports
            for key, value in getattr(report, "user_properties", ())
            if key == name and getattr(report, "when", "") == "call"
        }
    )
