"""The parts of a set of one stack, in the order in which they are written."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from sophia_infra.backup.contents import (
    archive,
    configuration_files,
    esc_names,
    images_document,
    own_folder,
    record_files,
    text_chunks,
)
from sophia_infra.backup.creating import PlannedPart
from sophia_infra.backup.databases import DatabaseAddress, dump_sqlite
from sophia_infra.backup.postgres import dump_postgres
from sophia_infra.engine.home import Home
from sophia_infra.model.stack_config import StackConfig

__all__ = ["plan_parts"]


def plan_parts(
    home: Home,
    stack: str,
    config: StackConfig,
    state: Mapping[str, Any] | None,
    databases: Mapping[str, DatabaseAddress],
) -> list[PlannedPart]:
    """Configuration, state, databases, images, records; nothing is read yet but the names of files.

    Args:
        state: what the engine exports, secrets encrypted; None when the stack was never made.
        databases: name -> address.
    """
    scratch = own_folder(home, stack)
    files, records = configuration_files(home, stack), record_files(home)
    parts = [
        PlannedPart(
            "configuration",
            "configuration",
            partial(archive, files, scratch),
            {"files": sorted(files), "esc": esc_names(config)},
        )
    ]
    if state is not None:
        resources = (state.get("deployment") or {}).get("resources") or []
        parts.append(
            PlannedPart("state", "state", partial(text_chunks, state), {"resources": len(resources)})
        )
    for name, address in databases.items():
        dump = (
            partial(dump_postgres, address)
            if address.server == "postgres"
            else partial(dump_sqlite, address.file, scratch)
        )
        parts.append(
            PlannedPart(f"database-{name}", "database", dump, {"database": name, "server": address.server})
        )
    images = images_document(config)
    parts.append(PlannedPart("images", "images", partial(text_chunks, images), {"images": len(images)}))
    if records:
        parts.append(
            PlannedPart("records", "records", partial(archive, records, scratch), {"files": len(records)})
        )
    return parts
