"""Fabric partitions: create, rename, delete. The API has no list, and no launch field names one."""

from __future__ import annotations

from sophia_infra.emulator.core import Core
from sophia_infra.emulator.errors import INVALID_PARAMETERS, NOT_FOUND, Refused
from sophia_infra.emulator.identity import WORKSPACE_ID
from sophia_infra.emulator.records import PartitionRecord
from sophia_infra.model.catalogue import REGIONS

__all__ = ["Fabric"]


class Fabric:
    def __init__(self, core: Core) -> None:
        self._core = core

    def get(self, partition_id: str) -> PartitionRecord:
        try:
            return self._core.state.partitions[partition_id]
        except KeyError:
            raise Refused(NOT_FOUND, "Fabric partition was not found.") from None

    def create(self, name: str, region: str, workspace_id: str | None) -> PartitionRecord:
        if region not in REGIONS:
            raise Refused(INVALID_PARAMETERS, f"Region {region!r} does not exist.")
        record = PartitionRecord(
            self._core.new_uuid(), name, region, workspace_id or WORKSPACE_ID, self._core.now()
        )
        self._core.state.partitions[record.id] = record
        self._core.audit("fabric_partition", "created", [record.id], name=name, region=region)
        return record

    def rename(self, partition_id: str, name: str) -> PartitionRecord:
        record = self.get(partition_id)
        record.name = name
        self._core.audit("fabric_partition", "updated", [partition_id], name=name)
        return record

    def delete(self, partition_id: str) -> None:
        self.get(partition_id)
        del self._core.state.partitions[partition_id]
        self._core.audit("fabric_partition", "deleted", [partition_id])
