"""What `sophia exporter` has to know of a stack: a small document, and no key in it.

The exporter runs alone in a small container, so this is read without the configuration's own models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from sophia_infra.model.errors import Refused
from sophia_infra.model.money import HOURS_PER_MONTH, Rate, parse_rate
from sophia_infra.model.price_book import PriceBook, file_storage_usd_per_gib_month
from sophia_infra.monitoring.plain_reading import Document, Section

if TYPE_CHECKING:
    from sophia_infra.model.stack import StackConfig

__all__ = [
    "POLL_S",
    "ExporterSettings",
    "MachineSettings",
    "PlannedPrices",
    "exporter_settings_of",
    "read_exporter_settings",
]

POLL_S = (5, 60)
"""Fewest and most seconds between two lists, as `monitoring.exporter.poll_s` allows."""

Endpoint = Literal["lambda", "emulator"]


@dataclass(frozen=True, slots=True)
class MachineSettings:
    """A machine of the file.

    Attributes:
        types: API names it may be launched as: the wanted one, then those of its fallbacks.
        regions: codes of the regions it may be launched in, the wanted one first.
        generation: of the file; a machine of another one is not `node`.
        node: name of its node in its cluster; "" when it is none.
        adopt_id, adopt_name: by which of the two an existing instance is taken; both "" when it is launched.
    """

    types: tuple[str, ...]
    regions: tuple[str, ...]
    generation: int = 1
    node: str = ""
    adopt_id: str = ""
    adopt_name: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain data; what has its default is left out."""
        row: dict[str, Any] = {"types": list(self.types), "regions": list(self.regions)}
        if self.generation != 1:
            row["generation"] = self.generation
        more = {"node": self.node, "adopt_id": self.adopt_id, "adopt_name": self.adopt_name}
        return {**row, **{key: value for key, value in more.items() if value}}


@dataclass(frozen=True, slots=True)
class PlannedPrices:
    """What the file was planned with: dated list prices, to be held against the live ones.

    Attributes:
        as_of: day of the price book (UTC).
        usd_per_hour: API type name -> dollars of one instance, for the types of the file.
        file_storage_usd_per_gib_month: dollars; the API has no such price.
    """

    as_of: date
    usd_per_hour: Mapping[str, Decimal]
    file_storage_usd_per_gib_month: Decimal

    def as_json(self) -> dict[str, Any]:
        """Plain data; money as text."""
        return {
            "as_of": self.as_of.isoformat(),
            "usd_per_hour": {name: str(usd) for name, usd in self.usd_per_hour.items()},
            "file_storage_usd_per_gib_month": str(self.file_storage_usd_per_gib_month),
        }


@dataclass(frozen=True, slots=True)
class ExporterSettings:
    """All of it, for one stack.

    Attributes:
        stack: "project/stack", the value of the stack tag.
        endpoint: which of the two clouds; the address of an emulator is in LAMBDA_API_URL, the key in
            LAMBDA_API_KEY.
        budget: the limit of the stack, in the form of its file.
        budget_alert_percent: of the limit, from which it is worth a warning.
        poll_s: seconds between two lists of the account's machines.
        machines: name in the fleet -> machine, up to the phase of the stack.
        prices: what was planned.
        clusters: ids of the 1-Click Clusters that the file reads: their machines carry no tag of ours.
    """

    stack: str
    endpoint: Endpoint
    budget: Rate
    budget_alert_percent: int
    poll_s: int
    machines: Mapping[str, MachineSettings]
    prices: PlannedPrices
    clusters: tuple[str, ...] = ()

    @property
    def budget_usd_per_hour(self) -> Decimal:
        return self.budget.usd_per_hour

    @property
    def budget_usd_per_month(self) -> Decimal:
        """At 720 hours. From the amount as it was written: $200 a day is exactly $6,000."""
        if self.budget.period == "month":
            return self.budget.amount_usd
        return self.budget.amount_usd * (30 if self.budget.period == "day" else HOURS_PER_MONTH)

    @property
    def types(self) -> tuple[str, ...]:
        """Every type that the file may launch, each once."""
        return tuple(dict.fromkeys(name for one in self.machines.values() for name in one.types))

    @property
    def regions(self) -> tuple[str, ...]:
        """Every region that the file may launch in, each once."""
        return tuple(dict.fromkeys(code for one in self.machines.values() for code in one.regions))

    def as_json(self) -> dict[str, Any]:
        """Plain data for a ConfigMap or a file; `read_exporter_settings` reads its JSON text back equal."""
        return {
            "stack": self.stack,
            "endpoint": self.endpoint,
            "budget": {"limit": str(self.budget), "alert_percent": self.budget_alert_percent},
            "poll_s": self.poll_s,
            "machines": {name: one.as_json() for name, one in self.machines.items()},
            "prices": self.prices.as_json(),
            **({"clusters": list(self.clusters)} if self.clusters else {}),
        }


def exporter_settings_of(config: StackConfig, stack: str) -> ExporterSettings:
    """The settings of a stack; also of one without clusters or monitoring, whose machines are no nodes.

    Args:
        stack: "project/stack".

    Raises:
        UnknownPrice: the dated price book lacks a type of the file.
    """
    # Both bring pydantic, which the exporter itself does without.
    from sophia_infra.model.kubernetes.monitoring import ExporterConfig
    from sophia_infra.model.kubernetes.placement import place

    kube = config.kubernetes
    clusters = place(config).clusters.values() if kube is not None else ()
    nodes = {node.machine: node.name for cluster in clusters for node in cluster.nodes}
    monitoring = kube.monitoring if kube is not None else None
    machines: dict[str, MachineSettings] = {}
    for name, instance in config.instances().items():
        choices = instance.launch_choices
        adopt = instance.adopt
        machines[name] = MachineSettings(
            types=tuple(dict.fromkeys(choice.instance_type for choice in choices)),
            regions=tuple(dict.fromkeys(choice.region for choice in choices)),
            generation=instance.generation,
            node=nodes.get(name, ""),
            adopt_id=(adopt.id or "") if adopt else "",
            adopt_name=(adopt.name or "") if adopt else "",
        )
    book = PriceBook.fallback()
    types = dict.fromkeys(name for machine in machines.values() for name in machine.types)
    return ExporterSettings(
        stack=stack,
        endpoint=config.endpoint,
        budget=config.budget.limit,
        budget_alert_percent=config.budget.alert_percent,
        poll_s=(monitoring.exporter if monitoring is not None else ExporterConfig()).poll_s,
        machines=machines,
        prices=PlannedPrices(
            book.as_of, {name: book.get(name) for name in types}, file_storage_usd_per_gib_month()
        ),
        clusters=config.one_click_ids,
    )


def read_exporter_settings(text: str, source: str = "settings") -> ExporterSettings:
    """Read what `ExporterSettings.as_json` gives, as JSON text.

    Args:
        text: the JSON.
        source: the file's name, for messages.

    Raises:
        ConfigError: all that is wrong, each with file, key, value and what is allowed.
    """
    document = Document(text, source)
    root = document.root
    root.only("stack", "endpoint", "budget", "poll_s", "machines", "prices", "clusters")
    budget, prices = root.section("budget"), root.section("prices")
    budget.only("limit", "alert_percent")
    prices.only("as_of", "usd_per_hour", "file_storage_usd_per_gib_month")
    usd_per_hour = prices.section("usd_per_hour")
    settings = ExporterSettings(
        stack=root.parsed("stack", _stack, ""),
        endpoint=cast(Endpoint, root.choice("endpoint", get_args(Endpoint))),
        budget=budget.parsed("limit", parse_rate, Rate(Decimal(1))),
        budget_alert_percent=budget.whole_number("alert_percent", 1, 100),
        poll_s=root.whole_number("poll_s", *POLL_S),
        machines={name: _machine(section) for name, section in root.sections("machines")},
        prices=PlannedPrices(
            prices.parsed("as_of", _day, date.min),
            {name: usd_per_hour.parsed(name, _usd, Decimal(0)) for name in usd_per_hour.names},
            prices.parsed("file_storage_usd_per_gib_month", _usd, Decimal(0)),
        ),
        clusters=root.texts("clusters", optional=True),
    )
    document.finish()
    return settings


def _machine(section: Section) -> MachineSettings:
    section.only("types", "regions", "generation", "node", "adopt_id", "adopt_name")
    return MachineSettings(
        types=section.texts("types"),
        regions=section.texts("regions"),
        generation=section.whole_number("generation", 1, 1_000_000, 1),
        node=section.text("node", ""),
        adopt_id=section.text("adopt_id", ""),
        adopt_name=section.text("adopt_name", ""),
    )


def _stack(text: str) -> str:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", text):
        raise Refused("is not the tag of a stack", allowed="project/stack")
    return text


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused("is not a day", allowed="a day such as 2026-08-20") from None


def _usd(text: str) -> Decimal:
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", text) or not Decimal(text):
        raise Refused("is not an amount of dollars", allowed='dollars above zero as text, such as "2.29"')
    return Decimal(text)
