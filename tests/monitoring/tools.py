"""`python -m tests.monitoring.tools`: is what this tier needs on PATH? Exit code 3 says what is not."""

from __future__ import annotations

import shutil
import sys

PROGRAMS = {
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "amtool": "prometheus-alertmanager",
    "chromium": "chromium",
}
"""Program -> Debian's package of it."""


def main() -> int:
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        print(f"Not on PATH. Debian: apt-get install {' '.join(dict.fromkeys(missing))}", file=sys.stderr)
    return 3 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
