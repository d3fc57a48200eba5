"""What runs for a stack, seen from the account's list of instances: no engine, one request."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sophia_infra.lambda_cloud import Instance
from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.instance import InstanceConfig
from sophia_infra.model.money import HOURS_PER_MONTH
from sophia_infra.provider.matching import is_billed, is_for, usd_so_far
from sophia_infra.provider.ownership import claim_of
from sophia_infra.provider.tags import NAME_TAG

__all__ = ["FleetStatus", "MachineRow", "build_fleet_status", "usd_so_far"]


@dataclass(frozen=True, slots=True)
class MachineRow:
    """One line of the table. `status` is the API's, or `absent` when the file asks for it and nothing runs.

    `usd_per_hour` is the list price of what runs or is ending, 0 when nothing does. `usd_so_far` is None for
    a machine whose launch time is unknown (adopted ones carry no tag).
    """

    name: str
    instance_id: str
    status: str
    instance_type: str
    gpu: str
    architecture: str
    region: str
    address: str
    usd_per_hour: Decimal
    usd_so_far: Decimal | None
    purpose: str
    in_file: bool

    @property
    def usd_per_month(self) -> Decimal:
        """At 720 hours."""
        return self.usd_per_hour * HOURS_PER_MONTH

    def as_json(self) -> dict[str, Any]:
        """Plain data; money as decimal text."""
        return {
            "name": self.name,
            "id": self.instance_id,
            "status": self.status,
            "instance_type": self.instance_type,
            "gpu": self.gpu,
            "architecture": self.architecture,
            "region": self.region,
            "address": self.address,
            "usd_per_hour": str(self.usd_per_hour),
            "usd_per_month_720h": str(self.usd_per_month),
            "usd_so_far": None if self.usd_so_far is None else str(self.usd_so_far),
            "purpose": self.purpose,
            "in_file": self.in_file,
        }


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """All machines of one stack, its training runs' and the rest of the account in two figures each.

    Machines of training runs are in no file and in no sum of the fleet: a run has a cap of its own, and ends
    within hours.
    """

    rows: tuple[MachineRow, ...]
    other_machines: int
    other_usd_per_hour: Decimal
    training_machines: int = 0
    training_usd_per_hour: Decimal = Decimal(0)

    @property
    def usd_per_hour(self) -> Decimal:
        return sum((row.usd_per_hour for row in self.rows), Decimal(0))

    @property
    def usd_per_month(self) -> Decimal:
        """At 720 hours."""
        return self.usd_per_hour * HOURS_PER_MONTH


def build_fleet_status(
    stack: str,
    wanted: Mapping[str, InstanceConfig],
    machines: Iterable[Instance],
    now_s: float,
    *,
    clustered: Container[str] = (),
) -> FleetStatus:
    """Match the account's machines with the file's, by our tags, or by `adopt`; the rest by `claim_of`.

    Args:
        stack: the value of the stack tag, "project/stack".
        wanted: the instances of the file, in its order.
        machines: the account's list.
        now_s: seconds since 1970 on the cloud's clock.
        clustered: ids of the machines of 1-Click Clusters that the file reads.
    """
    live = [machine for machine in machines if is_billed(machine)]
    rows: list[MachineRow] = []
    taken: set[str] = set()
    for name, config in wanted.items():
        mine = [machine for machine in live if _is_for(machine, stack, name, config)]
        taken.update(machine.id for machine in mine)
        rows += [_row(name, machine, config.purpose, now_s, in_file=True) for machine in mine] or [
            _absent(name, config)
        ]
    training: list[Instance] = []
    others: list[Instance] = []
    for machine in live:
        if machine.id in taken:
            continue
        claim = claim_of(machine.tags, stack, is_clustered=machine.id in clustered)
        if claim.owner in ("stack", "orphan"):
            name, is_kept = machine.tags.get(NAME_TAG, "?"), claim.owner == "stack"
            rows.append(_row(name, machine, claim.caretaker, now_s, in_file=is_kept))
        else:
            (training if claim.owner == "training" else others).append(machine)
    return FleetStatus(
        tuple(rows), len(others), _usd_per_hour(others), len(training), _usd_per_hour(training)
    )


def _is_for(machine: Instance, stack: str, name: str, config: InstanceConfig) -> bool:
    adopt_id, adopt_name = (config.adopt.id, config.adopt.name) if config.adopt else (None, None)
    return is_for(machine, stack, name, adopt_id=adopt_id or "", adopt_name=adopt_name or "")


def _usd_per_hour(machines: Iterable[Instance]) -> Decimal:
    return sum((machine.instance_type.usd_per_hour for machine in machines), Decimal(0))


def _row(name: str, machine: Instance, purpose: str, now_s: float, *, in_file: bool) -> MachineRow:
    known = CATALOGUE.get(machine.instance_type.name)
    return MachineRow(
        name=name,
        instance_id=machine.id,
        status=machine.status,
        instance_type=machine.instance_type.name,
        gpu=known.description if known else machine.instance_type.gpu_description,
        architecture=machine.instance_type.architecture or (known.architecture if known else "?"),
        region=machine.region,
        address=machine.ip or "",
        usd_per_hour=machine.instance_type.usd_per_hour,
        usd_so_far=usd_so_far(machine, now_s),
        purpose=purpose,
        in_file=in_file,
    )


def _absent(name: str, config: InstanceConfig) -> MachineRow:
    known = CATALOGUE[config.type]
    return MachineRow(
        name=name,
        instance_id="",
        status="absent",
        instance_type=config.type,
        gpu=known.description,
        architecture=known.architecture,
        region=config.region,
        address="",
        usd_per_hour=Decimal(0),
        usd_so_far=None,
        purpose=config.purpose,
        in_file=True,
    )
