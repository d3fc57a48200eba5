"""Filesystems: bound to a region, unique by name, in use until their instances have really ended."""

from __future__ import annotations

from sophia_infra.emulator.billing import Meter
from sophia_infra.emulator.core import Core
from sophia_infra.emulator.errors import (
    DUPLICATE,
    FILE_SYSTEM_IN_WRONG_REGION,
    FILESYSTEM_IN_USE,
    FILESYSTEM_NOT_FOUND,
    INVALID_ADDRESS,
    INVALID_PARAMETERS,
    LAUNCH_RESOURCE_NOT_FOUND,
    QUOTA_EXCEEDED,
    Refused,
)
from sophia_infra.emulator.records import FilesystemRecord, MountRecord
from sophia_infra.model.catalogue import REGIONS

__all__ = ["Filesystems", "default_mount_point"]


def default_mount_point(name: str) -> str:
    """Where the service mounts a filesystem when the launch does not say."""
    return f"/lambda/nfs/{name}"


class Filesystems:
    def __init__(self, core: Core, meter: Meter) -> None:
        self._core = core
        self._meter = meter

    def all(self) -> list[FilesystemRecord]:
        return list(self._core.state.filesystems.values())

    def get(self, filesystem_id: str) -> FilesystemRecord:
        try:
            return self._core.state.filesystems[filesystem_id]
        except KeyError:
            raise Refused(FILESYSTEM_NOT_FOUND) from None

    def is_in_use(self, filesystem_id: str) -> bool:
        """Whether an instance that has not ended mounts it; a terminating one still does."""
        return any(
            mount.filesystem_id == filesystem_id
            for one in self._core.state.instances.values()
            if one.ended_at_s is None
            for mount in one.mounts
        )

    def create(self, name: str, region: str) -> FilesystemRecord:
        """Refused: bad billing address, unknown region, quota, or the name exists in the account."""
        settings = self._core.settings
        if not settings.billing_address_valid:
            raise Refused(INVALID_ADDRESS)
        if region not in REGIONS:
            raise Refused(INVALID_PARAMETERS, f"Region {region!r} does not exist.")
        if any(one.name == name for one in self._core.state.filesystems.values()):
            raise Refused(DUPLICATE, f"A filesystem named {name!r} exists already.")
        quota = settings.quota_filesystems
        if quota is not None and len(self._core.state.filesystems) >= quota:
            raise Refused(QUOTA_EXCEEDED)
        now_s = self._core.now()
        record = FilesystemRecord(self._core.new_id(), name, region, now_s, 0, now_s, "0")
        self._core.state.filesystems[record.id] = record
        self._core.audit("filesystem", "created", [record.id], name=name, region=region)
        return record

    def delete(self, filesystem_id: str) -> None:
        record = self.get(filesystem_id)
        if self.is_in_use(filesystem_id):
            raise Refused(FILESYSTEM_IN_USE)
        self._meter.close_filesystem(record)
        del self._core.state.filesystems[filesystem_id]
        self._core.audit("filesystem", "deleted", [filesystem_id], name=record.name)

    def set_bytes(self, filesystem_id: str, bytes_used: int) -> FilesystemRecord:
        """Say how much it holds (nobody writes files here); the meter counts from now on."""
        record = self.get(filesystem_id)
        self._meter.set_filesystem_bytes(record, bytes_used)
        return record

    def mounts_for_launch(
        self, names: list[str], mounts: list[dict[str, str]], region: str
    ) -> list[MountRecord]:
        """What a launch in `region` mounts where; an explicit mount wins over the default path.

        Raises:
            Refused: a filesystem does not exist, stands in another region, or two share a path.
        """
        by_name = {one.name: one for one in self._core.state.filesystems.values()}
        chosen: dict[str, MountRecord] = {}
        for name in names:
            if name not in by_name:
                raise Refused(LAUNCH_RESOURCE_NOT_FOUND, f"Filesystem {name!r} does not exist.")
            record = by_name[name]
            chosen[record.id] = MountRecord(record.id, record.name, default_mount_point(name))
        for mount in mounts:
            found = self._core.state.filesystems.get(mount["file_system_id"])
            if found is None:
                raise Refused(
                    LAUNCH_RESOURCE_NOT_FOUND, f"Filesystem {mount['file_system_id']!r} does not exist."
                )
            chosen[found.id] = MountRecord(found.id, found.name, mount["mount_point"])
        for one in chosen.values():
            if self._core.state.filesystems[one.filesystem_id].region != region:
                raise Refused(
                    FILE_SYSTEM_IN_WRONG_REGION,
                    f"Filesystem {one.filesystem_name!r} is not in region {region}.",
                )
        if len({one.mount_point for one in chosen.values()}) < len(chosen):
            raise Refused(INVALID_PARAMETERS, "Two filesystems have the same mount point.")
        return list(chosen.values())
