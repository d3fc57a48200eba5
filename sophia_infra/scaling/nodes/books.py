"""What counts against the limits now: money, machines and GPUs, of the account and of the stack. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from sophia_infra.lambda_cloud import Instance
from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.scaled_tags import ScaledName
from sophia_infra.provider.instance_spec import LIVE_STATUSES
from sophia_infra.provider.matching import is_for
from sophia_infra.provider.tags import STACK_TAG
from sophia_infra.scaling.nodes.settings import FleetMachine, Limits
from sophia_infra.scaling.nodes.viewing import BILLED_STATUSES

__all__ = ["Books"]


@dataclass(slots=True)
class Books:
    """What counts against the limits now, absent machines of the fleet and open launches included.

    Attributes:
        usd_per_hour: of the stack, at list price.
        scaled: machines of all pools.
        instances, gpus: of the account.
        per_type: API name -> instances of the account.
        gpus_by_type: API name -> GPUs of the stack.
    """

    usd_per_hour: Decimal = Decimal(0)
    scaled: int = 0
    instances: int = 0
    gpus: int = 0
    per_type: dict[str, int] = field(default_factory=dict)
    gpus_by_type: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        rows: Iterable[Instance],
        stack: str,
        fleet: Sequence[FleetMachine],
        pending: Sequence[tuple[str, Decimal]],
        prices: PriceBook,
    ) -> Books:
        """Args: `pending`: (type, dollars an hour) of each launch whose machine is not listed."""
        books = cls()
        billed = [row for row in rows if row.status in BILLED_STATUSES]
        absent = {one.name: one for one in fleet}
        for row in billed:
            # One of the fleet that ends may be about to be replaced: its place is kept beside it.
            mine = [one for one in fleet if row.status in LIVE_STATUSES and _is_of(row, stack, one)]
            for one in mine:
                absent.pop(one.name, None)
            tag = row.tags.get(STACK_TAG, "")
            of_stack = bool(mine) or tag == stack or tag.startswith(f"{stack}/")
            books.add(row.instance_type.name, row.instance_type.usd_per_hour, of_stack=of_stack)
            books.scaled += tag == stack and ScaledName.of(row.tags) is not None
        for one in absent.values():
            books.add(one.instance_type, prices.get(one.instance_type))
        for instance_type, usd in pending:
            books.add(instance_type, usd)
            books.scaled += 1
        return books

    def add(self, instance_type: str, usd_per_hour: Decimal, *, of_stack: bool = True) -> None:
        """One machine more."""
        row = CATALOGUE.get(instance_type)
        gpus = row.gpu_count if row else 0
        self.instances += 1
        self.gpus += gpus
        self.per_type[instance_type] = self.per_type.get(instance_type, 0) + 1
        if of_stack:
            self.usd_per_hour += usd_per_hour
            self.gpus_by_type[instance_type] = self.gpus_by_type.get(instance_type, 0) + gpus

    def limits_reached(self, instance_type: str, usd_per_hour: Decimal, limits: Limits) -> tuple[str, ...]:
        """Which limits one more machine of the type would break; () when it may be launched."""
        row = CATALOGUE.get(instance_type)
        gpus = row.gpu_count if row else 0
        quota = limits.quota
        broken = (
            ("budget", self.usd_per_hour + usd_per_hour > limits.budget_usd_per_hour),
            ("max_instances", self.scaled + 1 > limits.max_instances),
            (
                "max_gpus",
                instance_type in limits.max_gpus
                and self.gpus_by_type.get(instance_type, 0) + gpus > limits.max_gpus[instance_type],
            ),
            (
                "quota",
                (quota.instances is not None and self.instances + 1 > quota.instances)
                or (quota.gpus is not None and self.gpus + gpus > quota.gpus)
                or (
                    instance_type in quota.per_type
                    and self.per_type.get(instance_type, 0) + 1 > quota.per_type[instance_type]
                ),
            ),
        )
        return tuple(name for name, is_broken in broken if is_broken)


def _is_of(row: Instance, stack: str, machine: FleetMachine) -> bool:
    adopt = {"adopt_id": machine.adopt_id or "", "adopt_name": machine.adopt_name or ""}
    return is_for(row, stack, machine.name, **adopt)
