"""`python -m sophia_infra.engine`: find the Pulumi engine or build it, and say where it is.

`--no-build` only looks: on PATH and in the cache.
"""

from __future__ import annotations

import sys

from sophia_infra.engine.build import BuildProgress
from sophia_infra.engine.errors import EngineError
from sophia_infra.engine.home import open_home
from sophia_infra.engine.locate import find_engine

_ORIGINS = {"path": "found on PATH", "cache": "built before", "built": "built now"}


def main() -> int:
    """Return 0 with the engine's folder on stdout, 1 with a sentence on stderr, 130 after Ctrl-C."""
    line = ProgressLine()
    try:
        may_build = "--no-build" not in sys.argv[1:]
        engine = find_engine(open_home(), progress=line.show, may_build=may_build)
    except EngineError as error:
        line.end()
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        line.end()
        print("Stopped; nothing half-built is left.", file=sys.stderr)
        return 130
    line.end()
    for note in engine.notes:
        print(note, file=sys.stderr)
    print(f"Pulumi {engine.version}, {_ORIGINS[engine.origin]}: {engine.directory}")
    return 0


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


if __name__ == "__main__":
    sys.exit(main())
