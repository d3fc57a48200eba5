"""A launch request, and what is wrong with it whatever the account holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sophia_infra.emulator.errors import INVALID_PARAMETERS, LAUNCH_RESOURCE_NOT_FOUND, Refused
from sophia_infra.model.catalogue import CATALOGUE, REGIONS

__all__ = ["MAX_USER_DATA_BYTES", "LaunchOrder"]

MAX_USER_DATA_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class LaunchOrder:
    """A launch request whose form the document's schema has accepted."""

    region: str
    instance_type: str
    ssh_key_names: list[str]
    name: str | None = None
    hostname: str | None = None
    image: dict[str, str] | None = None
    user_data: str | None = field(default=None, repr=False)
    tags: list[dict[str, str]] = field(default_factory=list)
    file_system_names: list[str] = field(default_factory=list)
    file_system_mounts: list[dict[str, str]] = field(default_factory=list)
    firewall_rulesets: list[dict[str, str]] = field(default_factory=list)

    @property
    def user_data_bytes(self) -> int:
        return len((self.user_data or "").encode())

    def refuse_wrong_form(self) -> None:
        """What no account and no stock could make right, in the order of the real launch.

        Raises:
            Refused: number of keys, size of user_data, type, region.
        """
        if len(self.ssh_key_names) != 1:
            raise Refused(INVALID_PARAMETERS, "Exactly one SSH key must be specified.")
        if self.user_data_bytes > MAX_USER_DATA_BYTES:
            raise Refused(INVALID_PARAMETERS, "user_data cannot exceed 1MB in size.")
        if self.instance_type not in CATALOGUE:
            raise Refused(LAUNCH_RESOURCE_NOT_FOUND, f"Instance type {self.instance_type!r} does not exist.")
        if self.region not in REGIONS:
            raise Refused(LAUNCH_RESOURCE_NOT_FOUND, f"Region {self.region!r} does not exist.")
