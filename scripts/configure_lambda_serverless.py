"""The plan's `python scripts/configure_lambda_serverless.py`: the same as `sophia inference configure`."""

from __future__ import annotations

import sys

from sophia_infra.cli.main import main

if __name__ == "__main__":
    sys.argv[1:1] = ["inference", "configure"]
    main()
