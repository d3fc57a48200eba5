"""Filesystems: what outlives the instances."""

from __future__ import annotations

from pydantic import Field

from sophia_infra.model.forms import ClosedModel
from sophia_infra.model.value_types import Region, YesNo

__all__ = ["FilesystemConfig"]


class FilesystemConfig(ClosedModel):
    """One filesystem, mounted at launch under `/lambda/nfs/<name>`. Billed on usage while it exists."""

    region: Region = Field(
        description="Region code; the same as that of the instances that mount it. No default: a filesystem "
        "never moves."
    )
    protect: YesNo = Field(
        default=True,
        description="true keeps the stack from deleting it. Default true: an instance can be launched again, "
        "its data cannot.",
    )
