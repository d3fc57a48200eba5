"""What is built now, for a person who waits, on stderr."""

from __future__ import annotations

import sys

from sophia_infra.engine.build import BuildProgress

__all__ = ["ProgressLine"]


class ProgressLine:
    """One line that is written over on a terminal; elsewhere a line every 15 s, so that logs stay short."""

    INTERVAL_S = 15.0

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._shown_at_s = -self.INTERVAL_S
        self._open = False

    def show(self, progress: BuildProgress) -> None:
        minutes, seconds = divmod(int(progress.elapsed_s), 60)
        count = (
            f" {progress.packages_done}/{progress.packages_total} packages" if progress.packages_total else ""
        )
        text = f"[{minutes}:{seconds:02d}]{count} {progress.line}"
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{text[:100]}")
            sys.stderr.flush()
            self._open = True
        elif progress.elapsed_s - self._shown_at_s >= self.INTERVAL_S:
            self._shown_at_s = progress.elapsed_s
            print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._open:
            sys.stderr.write("\r\x1b[K")
            self._open = False
