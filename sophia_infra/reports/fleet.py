"""The account's machines as a report shows them: what they cost, and whose they are."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sophia_infra.cost.spending import RunningMachine, spent_this_month
from sophia_infra.lambda_cloud import Instance
from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.instance import InstanceConfig
from sophia_infra.model.printable import printable
from sophia_infra.provider.matching import LIVE_STATUSES, is_billed, is_for, launched_at_s, usd_so_far
from sophia_infra.provider.ownership import OWNERS, MachineOwner, claim_of
from sophia_infra.provider.tags import LAUNCH_TAG, NAME_TAG

__all__ = ["OWNERS", "Fleet", "Machine", "MachineOwner", "read_fleet"]


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine of the account.

    Attributes:
        usd_per_hour: list price; also while it ends, when it may still be billed.
        usd_so_far: since its launch; None when nobody recorded that (adopted machines).
        launched_at_s: seconds since 1970, None likewise.
    """

    name: str
    instance_id: str
    owner: MachineOwner
    status: str
    instance_type: str
    gpu: str
    region: str
    purpose: str
    usd_per_hour: Decimal
    usd_so_far: Decimal | None
    launched_at_s: int | None

    @property
    def is_stray(self) -> bool:
        """Whether it costs money that no stack file asks for."""
        return self.owner in ("orphan", "unknown")

    def as_json(self) -> dict[str, Any]:
        """Plain data; money as decimal text."""
        return {
            "name": self.name,
            "id": self.instance_id,
            "owner": self.owner,
            "status": self.status,
            "instance_type": self.instance_type,
            "gpu": self.gpu,
            "region": self.region,
            "purpose": self.purpose,
            "usd_per_hour": str(self.usd_per_hour),
            "usd_so_far": None if self.usd_so_far is None else str(self.usd_so_far),
        }


@dataclass(frozen=True, slots=True)
class Fleet:
    """All machines of the account, the stack's first, and what the file asks for that does not run.

    Attributes:
        missing: names of the file for which nothing runs.
        month_usd: dollars of each owner's running machines since the first of the month (UTC): at least so
            much, for what ended before is in no list any more.
        unrecorded: names of machines whose launch nobody recorded; counted from the first of the month.
    """

    machines: tuple[Machine, ...]
    missing: tuple[str, ...]
    month_usd: Mapping[MachineOwner, Decimal]
    unrecorded: tuple[str, ...] = ()

    def of(self, *owners: MachineOwner) -> tuple[Machine, ...]:
        """The machines of these owners."""
        return tuple(machine for machine in self.machines if machine.owner in owners)

    def usd_per_hour(self, *owners: MachineOwner) -> Decimal:
        """What these owners' machines cost now; of all when none is named."""
        return sum((machine.usd_per_hour for machine in self.of(*(owners or OWNERS))), Decimal(0))

    @property
    def strays(self) -> tuple[Machine, ...]:
        """Machines that nobody's file asks for."""
        return tuple(machine for machine in self.machines if machine.is_stray)


def read_fleet(
    stack: str,
    wanted: Mapping[str, InstanceConfig],
    machines: Iterable[Instance],
    now_s: float,
    *,
    launches: frozenset[str] = frozenset(),
    clustered: Container[str] = (),
) -> Fleet:
    """Sort the account's list by owner.

    Args:
        stack: the value of the stack tag, "project/stack".
        wanted: the instances of the file, in its order.
        now_s: seconds since 1970 on the cloud's clock.
        launches: launch keys that the file asks for; of two machines for one name these say which is meant,
            and without them the newer one is.
        clustered: ids of the machines of 1-Click Clusters that the file reads.
    """
    live = [machine for machine in machines if is_billed(machine)]
    owners: dict[str, tuple[MachineOwner, str, str]] = {}
    missing = []
    for name, config in wanted.items():
        mine = [machine for machine in live if _is_for(machine, stack, name, config)]
        mine.sort(key=lambda machine: _rank(machine, stack, name, launches))
        for place, machine in enumerate(mine):
            owners[machine.id] = ("orphan" if place else "stack", name, config.purpose)
        if not mine:
            missing.append(name)
    order = {name: place for place, name in enumerate(wanted)}
    rows: list[Machine] = []
    running: dict[MachineOwner, list[RunningMachine]] = {owner: [] for owner in OWNERS}
    for machine in live:
        row = _machine(machine, *owners.get(machine.id, _stranger(machine, stack, clustered)), now_s)
        rows.append(row)
        running[row.owner].append(
            RunningMachine(row.name, machine.instance_type.usd_per_hour, row.launched_at_s)
        )
    rows.sort(key=lambda row: (OWNERS.index(row.owner), order.get(row.name, 0), row.name, row.instance_id))
    spent = {owner: spent_this_month(running[owner], now_s) for owner in OWNERS}
    return Fleet(
        tuple(rows),
        tuple(missing),
        {owner: month.usd for owner, month in spent.items()},
        tuple(name for month in spent.values() for name in month.unknown),
    )


def _is_for(machine: Instance, stack: str, name: str, config: InstanceConfig) -> bool:
    adopt_id, adopt_name = (config.adopt.id, config.adopt.name) if config.adopt else (None, None)
    return is_for(machine, stack, name, adopt_id=adopt_id or "", adopt_name=adopt_name or "")


def _rank(machine: Instance, stack: str, name: str, launches: frozenset[str]) -> tuple[bool, bool, int, str]:
    """What sorts the machine that is meant first: one that runs, launched as the file says, the newest."""
    key = f"{stack}/{name}/{machine.tags.get(LAUNCH_TAG, '')}"
    ends = machine.status not in LIVE_STATUSES
    return (ends, key not in launches, -(launched_at_s(machine) or 0), machine.id)


def _stranger(machine: Instance, stack: str, clustered: Container[str]) -> tuple[MachineOwner, str, str]:
    claim = claim_of(machine.tags, stack, is_clustered=machine.id in clustered)
    names = (machine.name, machine.tags.get(NAME_TAG))
    # `node-1` is one of many nodes: a run's machine is told by its name in the account.
    name = next(filter(None, names if claim.owner in ("unknown", "training") else names[::-1]), "(no name)")
    return (claim.owner, name, f"stack {claim.stack}" if claim.owner == "other" else claim.caretaker)


def _machine(machine: Instance, owner: MachineOwner, name: str, purpose: str, now_s: float) -> Machine:
    known = CATALOGUE.get(machine.instance_type.name)
    return Machine(
        name=printable(name),
        instance_id=machine.id,
        owner=owner,
        status=machine.status,
        instance_type=printable(machine.instance_type.name),
        gpu=known.description if known else printable(machine.instance_type.gpu_description),
        region=printable(machine.region),
        purpose=printable(purpose),
        usd_per_hour=machine.instance_type.usd_per_hour,
        usd_so_far=usd_so_far(machine, now_s),
        launched_at_s=launched_at_s(machine),
    )
