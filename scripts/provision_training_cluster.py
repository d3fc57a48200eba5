"""The plan's `python scripts/provision_training_cluster.py --workload ...`: it is `sophia train run`."""

from __future__ import annotations

import sys

from sophia_infra.cli.main import main

if __name__ == "__main__":
    sys.argv[1:1] = ["train", "run"]
    main()
