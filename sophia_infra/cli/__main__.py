"""`python -m sophia_infra.cli`: the `sophia` command without its console script."""

from __future__ import annotations

from sophia_infra.cli.main import main

if __name__ == "__main__":
    main()
