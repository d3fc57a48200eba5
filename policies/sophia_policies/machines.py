"""The machines of a stack, read from the properties of its Instance resources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sophia_infra.model.catalogue import CATALOGUE, InstanceType
from sophia_infra.model.errors import UnknownPrice
from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.resource_tokens import kind_of
from sophia_policies.plain import UNKNOWN, Resource, entries, is_unknown, read, text_of

__all__ = [
    "Bill",
    "Machine",
    "add_up",
    "is_instance",
    "machine_of",
    "machines_of",
]


@dataclass(frozen=True, slots=True)
class Machine:
    """One Instance resource.

    Attributes:
        choices: (type, region) in the order of the launch: the wanted one, then the fallbacks. Each part
            is text or UNKNOWN. When the machine is there, it is the only choice.
        tags: key -> value; UNKNOWN when not known.
        is_adopted: taken into the stack; the launch tags are not ours.
    """

    resource: Resource
    choices: tuple[tuple[Any, Any], ...]
    tags: Mapping[str, Any] | Any
    is_adopted: bool

    @property
    def name(self) -> str:
        return self.resource.name

    @property
    def type(self) -> Any:
        return self.choices[0][0]

    @property
    def row(self) -> InstanceType | None:
        """The catalogue's row of the wanted type; None when unknown or not in it."""
        return CATALOGUE.get(text_of(self.type))

    @property
    def gpus(self) -> int:
        return self.row.gpu_count if self.row else 0

    def tag(self, key: str) -> Any:
        """Value of a tag, None when absent, UNKNOWN when not known."""
        return read(self.tags, key)


def is_instance(resource: Resource) -> bool:
    return kind_of(resource.type) == "Instance"


def machine_of(resource: Resource) -> Machine:
    """The machine that `resource`, an Instance, describes."""
    props = resource.props
    wanted = (props.get("instance_type", UNKNOWN), props.get("region", UNKNOWN))
    launched = (props.get("launched_type"), props.get("launched_region"))
    tags = props.get("tags")
    if text_of(launched[0]) and text_of(launched[1]):
        choices: tuple[tuple[Any, Any], ...] = (launched,)
    else:
        choices = (wanted, *_fallbacks(props.get("fallbacks"), wanted))
    return Machine(
        resource=resource,
        choices=choices,
        tags={} if tags is None else tags,
        is_adopted=props.get("adopt") is not None or props.get("adopted") is True,
    )


def machines_of(resources: Sequence[Resource]) -> list[Machine]:
    """All machines, in the order of `resources`."""
    return [machine_of(resource) for resource in resources if is_instance(resource)]


def _fallbacks(value: Any, wanted: tuple[Any, Any]) -> Iterator[tuple[Any, Any]]:
    for row in entries(value):
        if is_unknown(row):
            yield (UNKNOWN, UNKNOWN)
            continue
        kind, region = read(row, "type"), read(row, "region")
        yield (wanted[0] if kind is None else kind, wanted[1] if region is None else region)


@dataclass(frozen=True, slots=True)
class Bill:
    """What a set of machines costs.

    Attributes:
        usd_per_hour: list price of all machines of known type, all running.
        dearest_usd_per_hour: the same if each launch takes its dearest fallback.
        uncertain: machines whose type is not known yet: not in the sums.
        unpriced: (machine, type) without a list price: not in the sums.
    """

    usd_per_hour: Decimal
    dearest_usd_per_hour: Decimal
    uncertain: tuple[Machine, ...]
    unpriced: tuple[tuple[Machine, str], ...]


def add_up(machines: Sequence[Machine], prices: PriceBook) -> Bill:
    """The bill of `machines` at `prices`. What has no price is named, never guessed."""
    total = dearest = Decimal("0.00")
    uncertain: list[Machine] = []
    unpriced: list[tuple[Machine, str]] = []
    for machine in machines:
        found: list[Decimal] = []
        for number, (kind, _region) in enumerate(machine.choices):
            if is_unknown(kind):
                uncertain.append(machine)
                continue
            try:
                usd = prices.get(text_of(kind))
            except UnknownPrice:
                unpriced.append((machine, text_of(kind)))
                continue
            found.append(usd)
            if number == 0:
                total += usd
        dearest += max(found, default=Decimal(0))
    return Bill(total, dearest, tuple(_by_name(uncertain)), tuple(unpriced))


def _by_name(machines: Sequence[Machine]) -> list[Machine]:
    return list({machine.resource.urn or machine.name: machine for machine in machines}.values())
