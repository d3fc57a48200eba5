"""One look at account, journal and cluster: what a pass decides on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sophia_infra.lambda_cloud import InstanceTypeWithCapacity
from sophia_infra.provider.session import Session
from sophia_infra.scaling.nodes.books import Books
from sophia_infra.scaling.nodes.cluster import ClusterView, NodeKeeper
from sophia_infra.scaling.nodes.errors import ClusterUnavailable
from sophia_infra.scaling.nodes.launching import open_launches, price_of
from sophia_infra.scaling.nodes.settings import ScalerSettings
from sophia_infra.scaling.nodes.viewing import Pending, ScaledMachine, find_scaled

__all__ = ["Look", "take_look"]


@dataclass(slots=True)
class Look:
    """What one pass knows; `books` grows with every launch of it.

    `cluster` is None where there is none, and where it did not answer.
    """

    machines: list[ScaledMachine]
    types: Mapping[str, InstanceTypeWithCapacity]
    cluster: ClusterView | None
    pending: list[Pending]
    books: Books


def take_look(
    session: Session,
    settings: ScalerSettings,
    keeper: NodeKeeper | None,
    now_s: float,
    *,
    tidy: bool,
    on_problem: Callable[[str], None],
) -> Look:
    """List anew, and count what is billed or may be.

    Args:
        tidy: forget launches that are listed by now, or never will be; only for the one that leads.
        on_problem: takes one line when the cluster does not answer.

    Raises:
        LambdaCloudError: the account was not seen.
    """
    session.instances.make_stale()
    rows = session.instances.rows(0)
    types = session.client.list_instance_types()
    cluster = None
    if keeper is not None:
        try:
            cluster = keeper.look()
        except ClusterUnavailable as error:
            on_problem(error.message)
    machines = find_scaled(rows, settings.stack)
    lag_s = session.waits.list_lag_s
    pending = open_launches(session.journal, settings.stack, machines, lag_s, now_s, tidy=tidy)
    by_name = {pool.name: pool for pool in settings.pools}
    dearest = [
        max((price_of(one, types, settings.prices), one) for one in by_name[intent.pool].types)
        for intent in pending
        if intent.pool in by_name and by_name[intent.pool].types
    ]
    books = Books.of(
        rows, settings.stack, settings.fleet, [(name, usd) for usd, name in dearest], settings.prices
    )
    return Look(machines, types, cluster, pending, books)
