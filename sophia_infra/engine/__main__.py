"""`python -m sophia_infra.engine`: find the Pulumi engine or build it, and say where it is.

`--no-build` only looks: on PATH and in the cache.
"""

from __future__ import annotations

import sys

from sophia_infra.engine.errors import EngineError
from sophia_infra.engine.home import open_home
from sophia_infra.engine.locate import find_engine
from sophia_infra.engine.progress_line import ProgressLine

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


if __name__ == "__main__":
    sys.exit(main())
