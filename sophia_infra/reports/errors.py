"""What keeps a report from being made. What a source says is in `metrics_client.errors`.

    ReportsError
    `-- OutputRefused      the report cannot be written where it was asked for, or drawing is not installed

Each says whose fault it is (`fault`), whether the same call may succeed later (`retry`), and what to do next
(`next_step`).
"""

from __future__ import annotations

from sophia_infra.model.room_error import RoomError

__all__ = ["OutputRefused", "ReportsError"]


class ReportsError(RoomError):
    """Base of the room."""


class OutputRefused(ReportsError):
    """The file cannot be written, or what draws it is not installed. What was there before is still there."""
