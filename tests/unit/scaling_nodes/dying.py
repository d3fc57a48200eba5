"""A scaler as a process that can be killed at any moment: before and after each request, note and answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sophia_infra.lambda_cloud import LambdaCloud
from sophia_infra.provider.journal import Journal
from sophia_infra.scaling.nodes.demand import DemandSource
from sophia_infra.scaling.nodes.scaler import NodeScaler
from sophia_infra.scaling.nodes.settings import ScalerSettings
from tests.unit.provider.simulated_engine import Doom, DoomedClient, DoomedJournal, Killed
from tests.unit.scaling_nodes.ground import Ground

__all__ = ["Killed", "Process"]


class Process:
    """One start of the program on one host."""

    def __init__(
        self,
        ground: Ground,
        whole: ScalerSettings,
        demand: dict[str, Sequence[DemandSource]],
        identity: str,
        host: str = "host",
        kill_at: int | None = None,
        *,
        paced: bool = True,
    ) -> None:
        self.ground = ground
        self.doom = Doom(kill_at)
        journal = DoomedJournal(ground.folder / host / "launches")
        journal.doom = self.doom
        client = cast(LambdaCloud, DoomedClient(ground.client(paced=paced), self.doom))
        self.lease = ground.kubernetes_lease(identity)
        self.scaler: NodeScaler = ground.scaler(
            whole, demand, lease=self.lease, session=ground.session(client, cast(Journal, journal))
        )

    def look(self) -> bool:
        """One pass; False: it was killed in it."""
        self.ground.cluster.before = self.ground.cluster.after = lambda _method, _path: self.doom.moment()
        try:
            self.scaler.look_once()
        except Killed:
            return False
        finally:
            self.ground.cluster.before = self.ground.cluster.after = lambda _method, _path: None
        return True
