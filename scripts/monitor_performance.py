"""The plan's `python scripts/monitor_performance.py`: it is `sophia monitor`."""

from __future__ import annotations

import sys

from sophia_infra.cli.main import main

if __name__ == "__main__":
    sys.argv[1:1] = ["monitor"]
    main()
