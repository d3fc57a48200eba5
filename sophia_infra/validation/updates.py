"""What the engine's file backend remembers of every update: when, how long, how it ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sophia_infra.reports.figures import Figure, known, unknown

__all__ = ["Update", "read_updates"]


@dataclass(frozen=True, slots=True)
class Update:
    """One run of the engine that could change something.

    Attributes:
        kind: `update`, `refresh`, `destroy`, `import`.
        started_s: seconds since 1970.
        succeeded: whether the engine said so.
        changes: resources by what happened to them; `same` among them.
    """

    kind: str
    started_s: int
    duration_s: int
    succeeded: bool
    changes: dict[str, int]

    @property
    def changed(self) -> int:
        """Resources that were created, updated, replaced or deleted."""
        return sum(count for name, count in self.changes.items() if name != "same")


def read_updates(backend: Path | None, project: str, stack: str, at_s: float) -> Figure[tuple[Update, ...]]:
    """All updates on record, oldest first; a record that cannot be read is left out.

    Args:
        backend: folder of the file backend; None for a backend elsewhere, of which nothing is known here.
    """
    if backend is None:
        return unknown(
            "the state is in a backend elsewhere, which keeps its own history", "pulumi stack history"
        )
    folder = backend / ".pulumi" / "history" / project / stack
    found = [update for file in folder.glob("*.history.json") if (update := _read(file)) is not None]
    if not found:
        return unknown("no update is on record", str(folder))
    return known(tuple(sorted(found, key=lambda update: update.started_s)), str(folder), at_s)


def _read(file: Path) -> Update | None:
    try:
        row: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        started_s = int(row["startTime"])
        return Update(
            kind=str(row["kind"]),
            started_s=started_s,
            duration_s=int(row["endTime"]) - started_s,
            succeeded=row["result"] == "succeeded",
            changes={str(name): int(count) for name, count in (row.get("resourceChanges") or {}).items()},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
