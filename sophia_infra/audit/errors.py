"""What can go wrong with an audit log.

    AuditError
    └── AuditUnavailable    the log cannot be written or read (user)

Raised before a change it means that nothing was done.
"""

from __future__ import annotations

from typing import ClassVar, Literal

__all__ = ["AuditError", "AuditUnavailable"]


class AuditError(Exception):
    """Base of the room.

    Attributes:
        next_step: what to do now, an imperative sentence.
        fault: "user", "network" or "ours".
        retry: whether the same call may succeed later without a change.
    """

    fault: ClassVar[Literal["user", "network", "ours"]] = "user"
    retry: ClassVar[bool] = False

    def __init__(self, message: str, *, next_step: str) -> None:
        self.message = message
        self.next_step = next_step
        super().__init__(message, next_step)

    def __str__(self) -> str:
        return f"{self.message} Next: {self.next_step}"


class AuditUnavailable(AuditError):
    """The log cannot be written. What was to be recorded must not be done."""
