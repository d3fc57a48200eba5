"""Answers about SSH keys and filesystems. Same rules as in `answers.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from sophia_infra.lambda_cloud.answer_fields import Fields
from sophia_infra.lambda_cloud.answers import region_name

__all__ = ["Filesystem", "SshKey", "User"]


@dataclass(frozen=True, slots=True)
class SshKey:
    """A registered key. `private_key` is given once, by the call that let the service make the pair."""

    id: str
    name: str
    public_key: str
    private_key: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "SSHKey")
        return cls(
            fields.text("id"),
            fields.text("name"),
            fields.text("public_key"),
            fields.optional_text("private_key"),
        )


@dataclass(frozen=True, slots=True)
class User:
    """A member of the account. `status` is `active` or `deactivated`."""

    id: str
    email: str
    status: str

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "User")
        return cls(fields.text("id"), fields.text("email"), fields.text("status"))


@dataclass(frozen=True, slots=True)
class Filesystem:
    """Storage in one region. It can be attached by a launch only."""

    id: str
    name: str
    region: str
    """The region's code."""
    mount_point: str
    """Where a launch mounts it unless told otherwise."""
    created: str
    created_by: User
    is_in_use: bool
    bytes_used: int | None = None
    """Approximate, hours old, and 7 for one account that reported it: do not bill by it."""

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "Filesystem")
        return cls(
            id=fields.text("id"),
            name=fields.text("name"),
            region=fields.one("region", region_name),
            mount_point=fields.text("mount_point"),
            created=fields.text("created"),
            created_by=fields.one("created_by", User.parse),
            is_in_use=fields.truth("is_in_use"),
            bytes_used=fields.optional_whole_number("bytes_used"),
        )
