"""`sophia:scaler`: pools of machines that come and go with the load, and the limits of all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from sophia_infra.model.catalogue import REGIONS, parse_instance_type
from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import (
    ClosedModel,
    Conflict,
    ConflictsFound,
    Form,
    choice_form,
    number_form,
    parse_text,
    text_form,
    whole_number_form,
)
from sophia_infra.model.scaler_rules import find_demand_conflicts, find_pool_conflicts, find_window_conflicts
from sophia_infra.model.user_data import MAX_USER_DATA_BYTES, parse_user_data
from sophia_infra.model.value_types import ImageFamily, InstanceTypeName, Region

__all__ = [
    "MAX_INSTANCES",
    "CalendarConfig",
    "DemandConfig",
    "DemandKind",
    "ScalerConfig",
    "ScalerPool",
    "ScheduledMin",
]

MAX_INSTANCES: Final = 10
"""The plan's guard rail `max_instances`."""

_MOST_NODES: Final = 64
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

DemandKind = Literal["prometheus", "forecast", "pending_pods"]
Count = Annotated[int, whole_number_form(0, _MOST_NODES)]
Day = Annotated[str, choice_form("a day", _DAYS)]
PoolName = Annotated[
    str,
    text_form(
        "a name",
        pattern="[a-z](?:[a-z0-9-]*[a-z0-9])?",
        rule="lower-case letters, digits and hyphens, first a letter, last no hyphen",
        max_characters=50,
    ),
]


def _parse_time(value: object) -> int:
    """`"09:00"` -> minutes since midnight; `"24:00"` is the end of the day."""
    match = re.fullmatch(r"([01][0-9]|2[0-4]):([0-5][0-9])", parse_text(value))
    minutes = int(match[1]) * 60 + int(match[2]) if match else -1
    if not 0 <= minutes <= 24 * 60:
        raise Refused("is not a time of day", allowed='"00:00" to "24:00", in quotes')
    return minutes


def _parse_date(value: object) -> date:
    try:
        return date.fromisoformat(parse_text(value))
    except ValueError as error:
        if isinstance(error, Refused):
            raise
        raise Refused("is not a day", allowed='"2026-12-24", in quotes') from None


TimeOfDay = Annotated[
    int,
    Form(
        _parse_time,
        {"type": "string", "pattern": "^([01][0-9]|2[0-4]):[0-5][0-9]$"},
        lambda minutes: f"{minutes // 60:02d}:{minutes % 60:02d}",
        (int,),
    ),
]
CalendarDay = Annotated[
    date, Form(_parse_date, {"type": "string", "format": "date"}, lambda day: day.isoformat(), (date,))
]


class DemandConfig(ClosedModel):
    """One thing that asks for nodes. Of several in a pool, the one that asks for most counts."""

    source: Annotated[DemandKind, choice_form("a source", ("prometheus", "forecast", "pending_pods"))] = (
        Field(
            description="prometheus (the load now: a queue, tokens per second), forecast (the load of the "
            "next hour) or pending_pods (pods of the cluster that wait for GPUs). No default."
        )
    )
    query: Annotated[str, text_form("a query", max_characters=2000)] | None = Field(
        default=None,
        description="PromQL whose answer is one series. Needed for prometheus; default for forecast: calls "
        "per second through all gateways.",
    )
    per_node: Annotated[float, number_form(0, 1_000_000_000)] | None = Field(
        default=None,
        description="What one node carries when it is fully busy, in the unit of the query. No default: "
        "measure it. Not with pending_pods.",
    )
    target_percent: Annotated[int, whole_number_form(1, 100)] = Field(
        default=75, description="Percent of per_node to plan for, 1 to 100. Default 75: room for bursts."
    )
    max_age_s: Annotated[int, whole_number_form(30, 3600)] | None = Field(
        default=None,
        description="Older measurements decide nothing, in seconds, 30 to 3600. Default 300; "
        "900 for forecast.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _raise(find_demand_conflicts(self))
        return self


class ScheduledMin(ClosedModel):
    """A higher minimum on some days between two times. The nodes are launched a lead time earlier."""

    days: tuple[Day, ...] = Field(
        default=("mon", "tue", "wed", "thu", "fri"),
        description="mon to sun. Default mon to fri. A holiday of the calendar counts as sun.",
    )
    begin: TimeOfDay = Field(description='Local time, such as "09:00". No default.')
    end: TimeOfDay = Field(description='Local time after begin, up to "24:00". No default.')
    min: Count = Field(description="Fewest nodes in that time, up to the pool's max. No default.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _raise(find_window_conflicts(self))
        return self


class CalendarConfig(ClosedModel):
    """Local time and days off of the people who cause the load."""

    zone: Annotated[str, text_form("a zone", pattern=r"[A-Za-z0-9_+/-]+", max_characters=64)] = Field(
        default="America/New_York",
        description="IANA time zone. Default America/New_York, of the plan's office hours.",
    )
    country: (
        Annotated[str, text_form("a country", pattern="[A-Z]{2}", rule="ISO 3166", max_characters=2)] | None
    ) = Field(default="US", description="ISO 3166 code whose public holidays count, or null. Default US.")
    days_off: tuple[CalendarDay, ...] = Field(
        default=(), description='Further days off, such as "2026-12-24". Default none.'
    )


def _parse_regions(value: object) -> tuple[str, ...]:
    from sophia_infra.model.catalogue import parse_region

    if not isinstance(value, list | tuple):
        raise Refused("is not a list of regions", allowed="a list such as [us-east-3, us-west-2]")
    codes = tuple(parse_region(parse_text(code)) for code in value)
    if not codes:
        raise Refused("is empty", allowed="at least one region")
    for at, code in enumerate(codes):
        if code in codes[:at]:
            raise Refused(f"names {code} twice")
    return codes


class ScalerPool(ClosedModel):
    """Machines of one kind that `sophia scaler` launches and ends. None of them is of the fleet."""

    type: InstanceTypeName = Field(
        description="1xA100 or the API's name gpu_1x_a100. No default: it is most of the price."
    )
    fallbacks: tuple[InstanceTypeName, ...] = Field(
        default=(),
        description="Types to try when the first has no capacity in any region. Default none: another type "
        "is never taken unasked. Each counts as one node, whatever it carries.",
    )
    regions: Annotated[
        tuple[Region, ...],
        Form(
            _parse_regions,
            {"type": "array", "items": {"enum": list(REGIONS)}, "minItems": 1, "uniqueItems": True},
            list,
        ),
    ] = Field(description="Regions that may be used, the preferred one first. No default.")
    min: Count = Field(
        default=0,
        description="Never fewer nodes than this, whatever is measured, 0 to 64. Default 0: what is always "
        "on belongs into the fleet.",
    )
    max: Annotated[int, whole_number_form(1, _MOST_NODES)] = Field(
        description="Never more nodes than this, 1 to 64. No default: a ceiling that nobody "
        "chose protects nobody."
    )
    warm_spares: Annotated[int, whole_number_form(0, 16)] = Field(
        default=0,
        description="Nodes beyond the need, for when a region has no room or a node dies. Default 0: each is "
        "billed all the time.",
    )
    demand: tuple[DemandConfig, ...] = Field(
        default=(), description="What asks for nodes. Default none: the pool follows min and schedule alone."
    )
    cooldown_s: Annotated[int, whole_number_form(0, 86_400)] = Field(
        default=1800,
        description="Nothing is released so soon after a launch or a release, in seconds. Default 1800, the "
        "plan's guard rail. Launches are never held back by it.",
    )
    lead_time_s: Annotated[int, whole_number_form(60, 3300)] | None = Field(
        default=None,
        description="From a launch to use, in seconds, up to 3300; has to cover the longest boot reported "
        "for the type. Default: boot and join by the number of GPUs.",
    )
    scale_down_after_s: Annotated[int, whole_number_form(0, 86_400)] = Field(
        default=600, description="How long fewer nodes have to be enough before one is released. Default 600."
    )
    drain_timeout_s: Annotated[int, whole_number_form(30, 86_400)] = Field(
        default=900,
        description="How long pods are asked to leave a node that is to be released, in seconds. Default "
        "900; when some stay, the node stays too.",
    )
    schedule: tuple[ScheduledMin, ...] = Field(
        default=(), description="Higher minimums at some times. Default none."
    )
    image_family: ImageFamily | None = Field(
        default=None, description="Image family. Default none: the latest Lambda Stack."
    )
    ssh_key: Annotated[str, text_form("a key name", max_characters=64)] | None = Field(
        default=None, description="Name of an SSH key of the account. Default: the stack's own (sophia:ssh)."
    )
    user_data: (
        Annotated[str, Form(parse_user_data, {"type": "string", "maxLength": MAX_USER_DATA_BYTES})] | None
    ) = Field(
        default=None,
        description="Cloud-init text beside the one that joins the cluster; no secrets. Default none.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _raise(find_pool_conflicts(self))
        return self

    @property
    def types(self) -> tuple[str, ...]:
        """API names, in the order in which they may be tried."""
        return (self.type, *self.fallbacks)


class ScalerConfig(ClosedModel):
    """The node scaler of a stack. Nothing of it runs until `sophia scaler run --apply` does."""

    pools: dict[PoolName, ScalerPool] = Field(description="Name -> pool, served in this order. No default.")
    max_instances: Annotated[int, whole_number_form(1, 1000)] = Field(
        default=MAX_INSTANCES,
        description="Most machines of all pools together, 1 to 1000. Default 10, the plan's guard rail.",
    )
    max_gpus: dict[InstanceTypeName, Annotated[int, whole_number_form(0, 1000)]] = Field(
        default_factory=dict,
        description="Instance type -> most GPUs of it at once in the stack, its fleet included. Default "
        "none: only quota and budget bound them.",
    )
    interval_s: Annotated[int, whole_number_form(10, 900)] = Field(
        default=60, description="Seconds between two looks, 10 to 900. Default 60."
    )
    calendar: CalendarConfig = Field(
        default_factory=CalendarConfig, description="Local time and holidays. Default: US Eastern."
    )

    @field_validator("max_gpus", mode="before")
    @classmethod
    def _each_type_once(cls, value: object) -> Any:
        if isinstance(value, Mapping):
            _raise(list(_find_double_types(value)))
        return value


def _find_double_types(written: Mapping[Any, Any]) -> list[Conflict]:
    found, first_by_name = [], dict[str, str]()
    for key in written:
        try:
            name = parse_instance_type(key) if isinstance(key, str) else None
        except Refused:
            continue
        if name is not None and first_by_name.setdefault(name, key) != key:
            found.append(Conflict((key,), Refused(f"is the same type as {first_by_name[name]}")))
    return found


def _raise(conflicts: list[Conflict]) -> None:
    if conflicts:
        raise ConflictsFound(conflicts)
