"""The `sophia` command from its first moment on: Ctrl-C while Python imports is no traceback either."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of the console script, and of `python -m sophia_infra.cli`."""
    try:
        from sophia_infra.cli.main import main as run
    except KeyboardInterrupt:
        print("sophia: Interrupted. Nothing was begun.", file=sys.stderr)
        raise SystemExit(130) from None
    run()


if __name__ == "__main__":
    main()
