"""A node scaler as a process of its own, with the real session, journal and lock: what the chaos tests kill.

    python -m tests.chaos.scaler_process FOLDER

FOLDER/demand holds the number of nodes that are asked for; every pass appends a line of JSON to its stdout.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path

from sophia_infra.provider.journal import Journal
from sophia_infra.provider.opening import open_session
from sophia_infra.scaling.nodes.cluster import ClusterView
from sophia_infra.scaling.nodes.demand import Need
from sophia_infra.scaling.nodes.lease import FileLease
from sophia_infra.scaling.nodes.reporting import PassReport
from sophia_infra.scaling.nodes.scaler import NodeScaler
from sophia_infra.scaling.nodes.settings import Limits, PoolSettings, ScalerSettings

STACK = "sophia-infra/test"
A10_USD = Decimal("1.29")
MAX = 2


class FileDemand:
    """Nodes as written in a file."""

    kind = "prometheus"

    def __init__(self, path: Path) -> None:
        self._path = path

    def need(self, cluster: ClusterView | None) -> Need:
        nodes = int(self._path.read_text())
        return Need(self.kind, nodes, nodes, f"{nodes} are asked for")


def main(folder: Path) -> None:
    pool = PoolSettings(
        name="gpu",
        types=("gpu_1x_a10",),
        regions=("us-east-1",),
        min=0,
        max=MAX,
        ssh_key="key",
        lead_s=300.0,
        ready_timeout_s=1800.0,
        cooldown_s=0.0,
        scale_down_after_s=0.0,
    )
    limits = Limits(max_instances=MAX, budget_usd_per_hour=A10_USD * MAX)
    session = open_session({"sophia:endpoint": "emulator"}.get, say=lambda _line: None)
    session.journal = Journal(folder / "launches")
    scaler = NodeScaler(
        ScalerSettings(stack=STACK, pools=(pool,), limits=limits, interval_s=60.0),
        session,
        FileLease(folder / "leader.lock", "one"),
        demand={"gpu": [FileDemand(folder / "demand")]},
        apply=True,
    )

    def show(report: PassReport) -> None:
        print(json.dumps(report.as_json()), flush=True)

    scaler.run(lambda: False, show)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
