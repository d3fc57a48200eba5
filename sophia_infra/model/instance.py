"""One instance of the fleet, as the stack file describes it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.forms import (
    ClosedModel,
    ConflictsFound,
    Form,
    choice_form,
    text_form,
    whole_number_form,
)
from sophia_infra.model.instance_rules import find_adopt_conflicts, find_instance_conflicts
from sophia_infra.model.launch_choice import LaunchChoice, launch_choices
from sophia_infra.model.user_data import MAX_USER_DATA_BYTES, parse_user_data
from sophia_infra.model.value_types import (
    DnsName,
    FilesystemName,
    Hostname,
    ImageFamily,
    ImageId,
    InstanceId,
    InstanceTypeName,
    Phase,
    Region,
    TagKey,
    TagValue,
    UsdAmount,
    YesNo,
)

__all__ = [
    "Adopt",
    "Fallback",
    "InstanceConfig",
    "ReplaceOrder",
    "WaitForCapacity",
]

READY_TIMEOUT_MINUTES = 30
READY_TIMEOUT_MINUTES_8_GPUS = 40

ReplaceOrder = Literal["launch_first", "terminate_first"]


class Adopt(ClosedModel):
    """An existing instance to take into the stack, by exactly one of the two. Never launched."""

    id: InstanceId | None = Field(
        default=None, description="32 hex digits. No default; the safe way, since names are not unique."
    )
    name: Annotated[str, text_form("a name", max_characters=64)] | None = Field(
        default=None,
        description="Name of the one live instance that has it, at most 64 characters (API limit). No "
        "default; two live instances of that name are refused when it is looked up.",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        conflicts = find_adopt_conflicts(self)
        if conflicts:
            raise ConflictsFound(conflicts)
        return self


class Fallback(ClosedModel):
    """Another place or type to try when there is no capacity. What is left out stays as in the instance."""

    type: InstanceTypeName | None = Field(
        default=None, description="Instance type. Default: that of the instance."
    )
    region: Region | None = Field(default=None, description="Region code. Default: that of the instance.")


class WaitForCapacity(ClosedModel):
    """How long and how dear a wait for capacity may be. Whichever limit comes first ends it."""

    max_minutes: Annotated[int, whole_number_form(1, 10_080)] = Field(
        description="Minutes, 1 to 10080 (a week). No default: an update never blocks longer than "
        "was asked for."
    )
    max_usd: UsdAmount = Field(
        description="Dollars that the other instances of the update may cost while it waits. No default: "
        "waiting beside running machines costs money."
    )


class InstanceConfig(ClosedModel):
    """One instance: launched by the stack, or adopted into it."""

    type: InstanceTypeName = Field(
        description="1xGH200 or the API's name gpu_1x_gh200. No default; a change replaces the machine."
    )
    region: Region = Field(description="Region code. No default; a change replaces the machine.")
    purpose: Annotated[str, text_form("a purpose", max_characters=200)] = Field(
        description="What it is for, at most 200 characters; shown beside its cost. No default: a machine "
        "without a purpose is the first one to save."
    )
    name: Annotated[str, text_form("a name", max_characters=64)] | None = Field(
        default=None,
        description="Name of the machine in the account, at most 64 characters (API limit); the only "
        "property that changes in place, and unique in the fleet. Default: the key in the fleet.",
    )
    generation: Annotated[int, whole_number_form(1, 1_000_000)] = Field(
        default=1,
        description="Raise it by one to get a new machine of the same description. Default 1.",
    )
    always_on: YesNo = Field(
        default=True,
        description="false marks it for schedules (terminate and launch again). Default true: a relaunch can "
        "be refused for lack of capacity. Cost is counted as if on either way.",
    )
    phase: Phase = Field(
        default=1, description="Made when the stack's phase is this or later, 1 to 3. Default 1: at once."
    )
    image_family: ImageFamily | None = Field(
        default=None,
        description="Image family; has to exist for the CPU architecture of the type. Default none: the API "
        "takes the latest Lambda Stack.",
    )
    image_id: ImageId | None = Field(
        default=None,
        description="One exact image, instead of image_family. Default none: families get patches.",
    )
    hostname: Hostname | None = Field(
        default=None,
        description="At most 63 characters (API limit). Default none: the API derives it from the address.",
    )
    user_data: (
        Annotated[
            str,
            Form(
                parse_user_data,
                {
                    "type": "string",
                    "minLength": 2,
                    "maxLength": MAX_USER_DATA_BYTES,
                    "pattern": "^(#|[A-Za-z])",
                },
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="Plain cloud-init text, at most 1 MB (API limit), read at the first boot. Default none. "
        "No secrets: it is kept in the state.",
    )
    user_data_file: Annotated[str, text_form("a path", max_characters=255)] | None = Field(
        default=None,
        description="File with the user data, relative to the stack file and inside its folder, instead of "
        "user_data. Default none.",
    )
    filesystems: tuple[FilesystemName, ...] = Field(
        default=(),
        description="Names from sophia:filesystems in the same region, mounted under /lambda/nfs/<name>. "
        "Default none; can only be attached at launch.",
    )
    firewalls: tuple[DnsName, ...] = Field(
        default=(),
        description="Names from sophia:firewalls in the same region. Default none: the account's global "
        "rules apply; takes effect at launch.",
    )
    tags: dict[TagKey, TagValue] = Field(
        default_factory=dict,
        description="Keys of 2 to 55, values of up to 128 characters (API limits); sophia- is reserved. "
        "Default none; set at launch only.",
    )
    protect: YesNo | None = Field(
        default=None,
        description="true keeps the stack from terminating it. Default: false when launched by the stack, "
        "true when adopted, because others may rely on it.",
    )
    adopt: Adopt | None = Field(
        default=None, description="Take this existing instance, never launch one. Default none: launch."
    )
    fallbacks: tuple[Fallback, ...] = Field(
        default=(),
        description="What to try, in order, when there is no capacity. Default none: another type or region "
        "costs and behaves differently, so it is never chosen silently.",
    )
    wait_for_capacity: WaitForCapacity | None = Field(
        default=None, description="Wait when nothing has capacity. Default none: fail at once and say so."
    )
    replace_order: Annotated[ReplaceOrder, choice_form("an order", ("launch_first", "terminate_first"))] = (
        Field(
            default="launch_first",
            description="launch_first or terminate_first. Default launch_first: GPUs are scarce, so the old "
            "one goes only when the new one is there; both are paid for a while.",
        )
    )
    ready_timeout_minutes: Annotated[int, whole_number_form(1, 240)] | None = Field(
        default=None,
        description="Minutes from launch to ready, 1 to 240. Default 30, and 40 for 8 GPUs: boots of 25 "
        "minutes were seen for 8x H100.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        conflicts = find_instance_conflicts(self)
        if conflicts:
            raise ConflictsFound(conflicts)
        return self

    @property
    def is_adopted(self) -> bool:
        return self.adopt is not None

    @property
    def is_protected(self) -> bool:
        """`protect`, or its default."""
        return self.is_adopted if self.protect is None else self.protect

    @property
    def architecture(self) -> str:
        """CPU architecture of the wanted type; fallbacks may differ when the image allows it."""
        return CATALOGUE[self.type].architecture

    @property
    def launch_choices(self) -> tuple[LaunchChoice, ...]:
        """What to try, in order: the wanted type and region, then the fallbacks; no two are equal."""
        return launch_choices(self.type, self.region, ((one.type, one.region) for one in self.fallbacks))

    @property
    def ready_timeout_s(self) -> float:
        """Seconds from launch to ready; the default goes by the largest type that may be launched."""
        minutes = self.ready_timeout_minutes
        if minutes is None:
            large = any(CATALOGUE[choice.instance_type].gpu_count >= 8 for choice in self.launch_choices)
            minutes = READY_TIMEOUT_MINUTES_8_GPUS if large else READY_TIMEOUT_MINUTES
        return minutes * 60.0
