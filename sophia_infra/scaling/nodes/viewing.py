"""From one list of the account to what there is: the scaler's machines, by what they are good for.

Pure. Nothing but tags tells which machines are the scaler's, so a restart on another host sees the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

from sophia_infra.lambda_cloud import Instance
from sophia_infra.model.scaled_tags import ScaledName
from sophia_infra.provider.instance_spec import LIVE_STATUSES
from sophia_infra.provider.tags import LAUNCHED_AT_TAG, STACK_TAG
from sophia_infra.scaling.nodes.cluster import NodeSeen
from sophia_infra.scaling.nodes.settings import PoolSettings

__all__ = [
    "BILLED_STATUSES",
    "UNHEALTHY_GRACE_S",
    "Pending",
    "PoolView",
    "ScaledMachine",
    "find_scaled",
    "view_pool",
]

BILLED_STATUSES: Final = LIVE_STATUSES | {"terminating"}
"""A terminating machine may be billed until it is terminated."""

UNHEALTHY_GRACE_S: Final = 300.0
"""As in `provider.fleet_ready`: an unhealthy machine may become well again so long."""


@dataclass(frozen=True, slots=True)
class ScaledMachine:
    """One machine that this stack's scaler launched."""

    id: str
    name: ScaledName
    status: str
    instance_type: str
    region: str
    usd_per_hour: Decimal
    launched_at_s: float

    @property
    def is_live(self) -> bool:
        return self.status in LIVE_STATUSES


@dataclass(frozen=True, slots=True)
class Pending:
    """A launch that was asked for so lately that its machine may not be listed yet."""

    pool: str
    number: int
    begun_at_s: float
    resource_id: str | None


def find_scaled(rows: Iterable[Instance], stack: str) -> list[ScaledMachine]:
    """The scaler's machines of this stack that are listed, ended ones too. All tags have to fit."""
    found = []
    for row in rows:
        name = ScaledName.of(row.tags)
        if name is None or row.tags.get(STACK_TAG) != stack:
            continue
        launched = row.tags.get(LAUNCHED_AT_TAG, "")
        launched_at_s = float(launched) if launched.isdigit() else float(name.begun_s)
        found.append(
            ScaledMachine(
                row.id,
                name,
                row.status,
                row.instance_type.name,
                row.region,
                row.instance_type.usd_per_hour,
                launched_at_s,
            )
        )
    return found


MachineState = Literal["ready", "coming", "draining", "ending", "lost"]


@dataclass(frozen=True, slots=True)
class PoolView:
    """What there is of one pool.

    Attributes:
        ready: take load.
        coming: launched, and take none yet.
        draining: cordoned by us, their pods are leaving.
        ending: asked to terminate, or terminating: billed, and nothing runs there any more.
        lost: unhealthy, never became a node, or the second of one name: to be ended at once.
        pending: launches without a listed machine.
        last_change_s: newest launch or release; None when there never was one that is still told.
        why_lost: id -> reason.
    """

    pool: str
    ready: tuple[ScaledMachine, ...] = ()
    coming: tuple[ScaledMachine, ...] = ()
    draining: tuple[ScaledMachine, ...] = ()
    ending: tuple[ScaledMachine, ...] = ()
    lost: tuple[ScaledMachine, ...] = ()
    pending: tuple[Pending, ...] = ()
    last_change_s: float | None = None
    why_lost: Mapping[str, str] = field(default_factory=dict)

    @property
    def counted_on(self) -> int:
        """Nodes that take load, or will."""
        return len(self.ready) + len(self.coming) + len(self.pending)

    @property
    def billed(self) -> int:
        """All that exist, or may."""
        return self.counted_on + len(self.draining) + len(self.ending) + len(self.lost)


def view_pool(
    pool: PoolSettings,
    machines: Iterable[ScaledMachine],
    *,
    nodes: Mapping[str, NodeSeen] | None,
    has_cluster: bool,
    pending: Sequence[Pending],
    ending: Mapping[str, float],
    unhealthy_since_s: Mapping[str, float],
    last_release_s: float | None,
    now_s: float,
) -> PoolView:
    """Sort the machines of `pool` by what they are good for.

    Args:
        nodes: name -> node of the cluster; None: not known now, and nobody is called lost for that.
        has_cluster: whether machines of this stack become nodes at all.
        ending: id -> since when it is being ended, as noted on this host.
        unhealthy_since_s: id -> when the list first said so.
    """
    groups: dict[MachineState, list[ScaledMachine]] = defaultdict(list)
    why: dict[str, str] = {}
    mine = [one for one in machines if one.name.pool == pool.name]
    first: dict[int, ScaledMachine] = {}
    for one in sorted(mine, key=lambda one: (one.launched_at_s, one.id)):
        if one.is_live:
            first.setdefault(one.name.number, one)
    for one in mine:
        if one.status not in BILLED_STATUSES:
            continue
        node = None if nodes is None else nodes.get(one.name.name)
        if one.status == "terminating" or one.id in ending:
            groups["ending"].append(one)
        elif first[one.name.number] is not one:
            groups["lost"].append(one)
            why[one.id] = f"{first[one.name.number].id} has its name"
        elif one.status == "unhealthy" and now_s - unhealthy_since_s.get(one.id, now_s) >= UNHEALTHY_GRACE_S:
            groups["lost"].append(one)
            why[one.id] = f"unhealthy for {UNHEALTHY_GRACE_S / 60:.0f} min"
        elif node is not None and node.draining_since_s is not None:
            groups["draining"].append(one)
        elif one.status == "active" and (
            not has_cluster or nodes is None or (node is not None and node.is_ready)
        ):
            groups["ready"].append(one)
        elif (nodes is not None or not has_cluster) and now_s - one.launched_at_s >= pool.ready_timeout_s:
            groups["lost"].append(one)
            why[one.id] = f"no ready node {pool.ready_timeout_s / 60:.0f} min after its launch"
        else:
            groups["coming"].append(one)
    changes = [one.launched_at_s for one in mine]
    changes += [one.begun_at_s for one in pending if one.pool == pool.name]
    changes += [last_release_s] if last_release_s is not None else []
    return PoolView(
        pool=pool.name,
        ready=tuple(groups["ready"]),
        coming=tuple(groups["coming"]),
        draining=tuple(groups["draining"]),
        ending=tuple(groups["ending"]),
        lost=tuple(groups["lost"]),
        pending=tuple(one for one in pending if one.pool == pool.name),
        last_change_s=max(changes, default=None),
        why_lost=why,
    )
