"""The plan's `python scripts/validate_phase1.py`: it is `sophia validate --phase 1`."""

from __future__ import annotations

import sys

from sophia_infra.cli.main import main

if __name__ == "__main__":
    sys.argv[1:1] = ["validate", "--phase", "1"]
    main()
