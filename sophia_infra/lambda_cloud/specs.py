"""What a caller asks for, checked against the limits of OpenAPI 1.10.0 before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sophia_infra.lambda_cloud.answers import FileSystemMount
from sophia_infra.lambda_cloud.errors import InvalidSpec

__all__ = ["LaunchRequest", "check_choice", "check_ids", "check_text"]

NAME_CHARACTERS = 64
HOSTNAME_CHARACTERS = 63
TAG_KEY_CHARACTERS = 55
TAG_VALUE_CHARACTERS = 128
MOUNT_POINT_CHARACTERS = 256
USER_DATA_BYTES = 1_000_000
"""The document says 1MB; the smaller reading of it."""

_HOSTNAME = r"[a-z0-9][0-9a-z-]{0,62}"
_TAG_KEY = r"[a-z][a-z0-9-:]+"
_MOUNT_POINT = r"(/home|/lambda/nfs|/data)[/a-zA-Z0-9-]*"


def check_text(
    field_name: str, text: str, *, longest: int, shortest: int = 0, pattern: str | None = None
) -> str:
    """`text` when its length in characters and its form are allowed.

    Raises:
        InvalidSpec: with the field, what is wrong and what is allowed.
    """
    if not isinstance(text, str):
        raise InvalidSpec(f"{field_name} must be a string, not {type(text).__name__}")
    if not shortest <= len(text) <= longest:
        raise InvalidSpec(f"{field_name} is {len(text)} characters long; {shortest} to {longest} are allowed")
    if pattern is not None and re.fullmatch(pattern, text) is None:
        raise InvalidSpec(f"{field_name} is {text!r}; it must match {pattern}")
    return text


def check_choice(field_name: str, text: str, allowed: Sequence[str]) -> str:
    """`text` when it is one of `allowed`; InvalidSpec otherwise."""
    if text not in allowed:
        raise InvalidSpec(f"{field_name} is {text!r}; allowed are {', '.join(allowed)}")
    return text


def check_ids(field_name: str, ids: Sequence[str]) -> list[str]:
    """`ids` as a list when it names at least one and is no string (whose letters would be taken for ids)."""
    if isinstance(ids, str) or not ids or not all(isinstance(one, str) and one for one in ids):
        raise InvalidSpec(f"{field_name} must be a list of at least one id, and no id may be empty")
    return list(ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRequest:
    """One machine to launch. An object of this class keeps every rule below, or was never made.

    Everything but `name` is fixed for the life of the machine: the API has no update for it.

    Raises:
        InvalidSpec: a field breaks its rule; the message names the field and what is allowed.
    """

    region_name: str
    instance_type_name: str
    ssh_key_names: Sequence[str]
    """Exactly one name."""
    name: str | None = None
    """Up to 64 characters; need not be unique."""
    hostname: str | None = None
    """1 to 63 of a-z, 0-9 and `-`, not first; the service derives one from the address when None."""
    image_id: str | None = None
    image_family: str | None = None
    """At most one of `image_id` and `image_family`; the latest Lambda Stack when both are None."""
    user_data: str | None = field(default=None, repr=False)
    """Plain cloud-init text (not base64), up to 1 MB; may hold secrets, so no repr shows it."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Keys of 2 to 55 of a-z, 0-9, `-` and `:`, a letter first; values up to 128 characters."""
    file_system_names: Sequence[str] = ()
    """Mounted at their default paths; all in the instance's region."""
    file_system_mounts: Sequence[FileSystemMount] = ()
    """Wins over the default path for a filesystem that is in both lists."""
    firewall_ruleset_ids: Sequence[str] = ()
    """In the instance's region."""

    def __post_init__(self) -> None:
        for required in ("region_name", "instance_type_name"):
            check_text(required, getattr(self, required), shortest=1, longest=NAME_CHARACTERS)
        if isinstance(self.ssh_key_names, str) or len(self.ssh_key_names) != 1 or not self.ssh_key_names[0]:
            raise InvalidSpec("ssh_key_names must be a list of exactly one name: the API takes no more")
        if self.name is not None:
            check_text("name", self.name, longest=NAME_CHARACTERS)
        if self.hostname is not None:
            check_text("hostname", self.hostname, shortest=1, longest=HOSTNAME_CHARACTERS, pattern=_HOSTNAME)
        if self.image_id is not None and self.image_family is not None:
            raise InvalidSpec("image_id and image_family are both given; the API takes one of them")
        self._check_user_data()
        for key, value in self.tags.items():
            check_text("tag key", key, shortest=2, longest=TAG_KEY_CHARACTERS, pattern=_TAG_KEY)
            check_text(f"value of tag {key}", value, longest=TAG_VALUE_CHARACTERS)
        for mount in self.file_system_mounts:
            check_text("mount_point", mount.mount_point, longest=MOUNT_POINT_CHARACTERS, pattern=_MOUNT_POINT)
        for several in ("file_system_names", "firewall_ruleset_ids"):
            if getattr(self, several):
                check_ids(several, getattr(self, several))

    def _check_user_data(self) -> None:
        size_bytes = len((self.user_data or "").encode("utf-8", "surrogatepass"))
        if size_bytes > USER_DATA_BYTES:
            raise InvalidSpec(f"user_data has {size_bytes} bytes; {USER_DATA_BYTES} are allowed")

    def build(self) -> dict[str, object]:
        """The request as JSON; what was not asked for is left out."""
        body: dict[str, object] = {
            "region_name": self.region_name,
            "instance_type_name": self.instance_type_name,
            "ssh_key_names": list(self.ssh_key_names),
            "name": self.name,
            "hostname": self.hostname,
            "image": self._image(),
            "user_data": self.user_data,
            "tags": [{"key": key, "value": value} for key, value in self.tags.items()] or None,
            "file_system_names": list(self.file_system_names) or None,
            "file_system_mounts": [
                {"mount_point": mount.mount_point, "file_system_id": mount.file_system_id}
                for mount in self.file_system_mounts
            ]
            or None,
            "firewall_rulesets": [{"id": ruleset} for ruleset in self.firewall_ruleset_ids] or None,
        }
        return {key: value for key, value in body.items() if value is not None}

    def _image(self) -> dict[str, str] | None:
        if self.image_id is not None:
            return {"id": self.image_id}
        return None if self.image_family is None else {"family": self.image_family}
