"""Answers about instances, their types, regions and images, as OpenAPI 1.10.0 declares them.

Each class reads itself with `parse(json value)`, ignores fields that it does not know, and raises
UnexpectedAnswer when a required one is missing. Times are ISO 8601 texts as received.
SSH keys and filesystems: `storage_answers.py`. Firewall: `firewall.py`. The rest: `account_answers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self

from sophia_infra.lambda_cloud.answer_fields import Fields, parse_map

__all__ = [
    "Action",
    "FileSystemMount",
    "Image",
    "Instance",
    "InstanceTypeAnswer",
    "InstanceTypeSpecs",
    "InstanceTypeWithCapacity",
    "Region",
    "region_name",
]


@dataclass(frozen=True, slots=True)
class Region:
    """A region: its code (`us-east-3`) and where it lies."""

    name: str
    description: str

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "Region")
        return cls(fields.text("name"), fields.optional_text("description") or "")


def region_name(value: object) -> str:
    """The code of a region object."""
    return Region.parse(value).name


@dataclass(frozen=True, slots=True)
class InstanceTypeSpecs:
    """The size of an instance type. `gpus` is 0 for CPU types."""

    vcpus: int
    memory_gib: int
    storage_gib: int
    gpus: int

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "InstanceType.specs")
        names = ("vcpus", "memory_gib", "storage_gib", "gpus")
        return cls(*(fields.whole_number(name) for name in names))


@dataclass(frozen=True, slots=True)
class InstanceTypeAnswer:
    """An instance type as the service sells it now."""

    name: str
    description: str
    gpu_description: str
    price_cents_per_hour: int
    """US cents per hour for the whole instance."""
    specs: InstanceTypeSpecs
    architecture: str | None = None
    """`x86_64` or `arm64`; sent by the live service since 2026-08, not declared, so it may be None."""

    @property
    def usd_per_hour(self) -> Decimal:
        """US dollars per hour for the whole instance."""
        return Decimal(self.price_cents_per_hour) / 100

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "InstanceType")
        return cls(
            name=fields.text("name"),
            description=fields.text("description"),
            gpu_description=fields.text("gpu_description"),
            price_cents_per_hour=fields.whole_number("price_cents_per_hour"),
            specs=fields.one("specs", InstanceTypeSpecs.parse),
            architecture=fields.optional_text("architecture"),
        )


@dataclass(frozen=True, slots=True)
class InstanceTypeWithCapacity:
    """A type, and the codes of the regions that list capacity for it. The list reserves nothing."""

    instance_type: InstanceTypeAnswer
    regions_with_capacity: tuple[str, ...]

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "InstanceTypesItem")
        return cls(
            fields.one("instance_type", InstanceTypeAnswer.parse),
            fields.many("regions_with_capacity_available", region_name),
        )


@dataclass(frozen=True, slots=True)
class Action:
    """Whether an action can be taken now; `reason_code` is an open list (`vm-has-not-launched`, ...)."""

    available: bool
    reason_code: str | None = None
    reason_description: str | None = None

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "Instance.actions")
        return cls(
            fields.truth("available"),
            fields.optional_text("reason_code"),
            fields.optional_text("reason_description"),
        )


@dataclass(frozen=True, slots=True)
class FileSystemMount:
    """A filesystem, by id, and where it is mounted."""

    mount_point: str
    file_system_id: str

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "FilesystemMountEntry")
        return cls(fields.text("mount_point"), fields.text("file_system_id"))


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance. It has no creation time: the service keeps none."""

    id: str
    status: str
    """`booting`, `active`, `unhealthy`, `terminating`, `terminated`, `preempted`, or one that came later."""
    region: str
    """The region's code."""
    instance_type: InstanceTypeAnswer
    ssh_key_names: tuple[str, ...]
    file_system_names: tuple[str, ...]
    actions: Mapping[str, Action]
    """By name: migrate, rebuild, restart, cold_reboot, terminate (not available right after a launch)."""
    name: str | None = None
    ip: str | None = None
    """None until assigned, about a minute after launch."""
    private_ip: str | None = None
    hostname: str | None = None
    file_system_mounts: tuple[FileSystemMount, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    firewall_ruleset_ids: tuple[str, ...] = ()
    jupyter_token: str | None = field(default=None, repr=False)
    jupyter_url: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "Instance")
        return cls(
            id=fields.text("id"),
            status=fields.text("status"),
            region=fields.one("region", region_name),
            instance_type=fields.one("instance_type", InstanceTypeAnswer.parse),
            ssh_key_names=fields.texts("ssh_key_names"),
            file_system_names=fields.texts("file_system_names"),
            actions=parse_map(fields.mapping("actions"), "Instance.actions", Action.parse),
            name=fields.optional_text("name"),
            ip=fields.optional_text("ip"),
            private_ip=fields.optional_text("private_ip"),
            hostname=fields.optional_text("hostname"),
            file_system_mounts=fields.optional_many("file_system_mounts", FileSystemMount.parse),
            tags=dict(fields.optional_many("tags", _parse_tag)),
            firewall_ruleset_ids=fields.optional_many("firewall_rulesets", _parse_ruleset_id),
            jupyter_token=fields.optional_text("jupyter_token"),
            jupyter_url=fields.optional_text("jupyter_url"),
        )


def _parse_tag(value: object) -> tuple[str, str]:
    fields = Fields(value, "Instance.tags")
    return fields.text("key"), fields.text("value")


def _parse_ruleset_id(value: object) -> str:
    return Fields(value, "Instance.firewall_rulesets").text("id")


@dataclass(frozen=True, slots=True)
class Image:
    """One image in one region."""

    id: str
    name: str
    description: str
    family: str
    version: str
    architecture: str
    """`x86_64` or `arm64`."""
    region: str
    created_time: str
    updated_time: str

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "Image")
        texts = (
            "id",
            "name",
            "description",
            "family",
            "version",
            "architecture",
            "created_time",
            "updated_time",
        )
        return cls(**{name: fields.text(name) for name in texts}, region=fields.one("region", region_name))
