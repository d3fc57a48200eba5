"""The plan's `python scripts/analyze_costs.py`: it is `sophia cost plan`."""

from __future__ import annotations

import sys

from sophia_infra.cli.main import main

if __name__ == "__main__":
    sys.argv[1:1] = ["cost", "plan"]
    main()
