"""What keeps a report from being made. What a source says is in `metrics_client.errors`.

    ReportsError
    `-- OutputRefused      the report cannot be written where it was asked for, or drawing is not installed

Each says whose fault it is (`fault`), whether the same call may succeed later (`retry`), and what to do next
(`next_step`).
"""

from __future__ import annotations

from typing import Literal

__all__ = ["OutputRefused", "ReportsError"]

Fault = Literal["user", "service", "ours"]


class ReportsError(Exception):
    """Base of this room's errors. Prints its sentence and what to do next."""

    fault: Fault = "user"
    retry: bool = False

    def __init__(self, message: str, *, next_step: str) -> None:
        self.message = message
        self.next_step = next_step
        super().__init__(f"{message} Next: {next_step}")


class OutputRefused(ReportsError):
    """The file cannot be written, or what draws it is not installed. What was there before is still there."""
