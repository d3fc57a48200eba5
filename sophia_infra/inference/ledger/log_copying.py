"""SQLite's log goes into its file beside the commits, so that no commit waits for it.

By default the commit that fills the log copies it: tens of milliseconds for whoever is waiting then.
Source: https://www.sqlite.org/wal.html, 2.3 (a PASSIVE checkpoint blocks neither readers nor writers).
"""

from __future__ import annotations

import threading
from contextlib import suppress

from sophia_infra.inference.ledger.database import Database
from sophia_infra.inference.ledger.errors import LedgerUnavailable

__all__ = ["LogCopier"]

EVERY_S = 1.0


class LogCopier:
    """Copies once a second what was written since, until `close`. Does nothing for other databases."""

    def __init__(self, database: Database, every_s: float = EVERY_S) -> None:
        self._database = database
        self._every_s = every_s
        self._written = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sophia-ledger-log", daemon=True)
        if database.is_sqlite:
            self._thread.start()

    def note_written(self) -> None:
        """Something was committed."""
        self._written.set()

    def close(self) -> None:
        """End the thread; what is in the log stays there, and counts."""
        self._closing.set()
        self._written.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._written.wait()
            self._written.clear()
            # Who writes next finds a file that cannot be written too, and has somebody to tell.
            with suppress(LedgerUnavailable):
                self._database.copy_log()
            self._closing.wait(self._every_s)
