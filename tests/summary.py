"""Names under which tests record what is printed at the end of the run."""

from __future__ import annotations

__all__ = ["KILL_ROW", "KILL_TABLE_HEADING", "SUMMARY_LINE", "kill_row"]

SUMMARY_LINE = "summary_line"
KILL_ROW = "kill_row"

_FORMAT = "{:<22}{:<10}{:<18}{:>9}{:>6}{:>9}{:>9}"
KILL_TABLE_HEADING = _FORMAT.format("operation", "killed", "moment", "launched", "live", "orphans", "doubles")


def kill_row(what: str, victim: str, moment: str, *counts: int) -> str:
    """One row: what was going on, who was killed when, and the four counts of the heading."""
    return _FORMAT.format(what, victim, moment, *counts)
