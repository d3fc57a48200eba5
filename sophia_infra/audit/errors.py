"""What can go wrong with an audit log.

    AuditError
    └── AuditUnavailable    the log cannot be written or read (user)

Raised before a change it means that nothing was done.
"""

from __future__ import annotations

from sophia_infra.model.room_error import RoomError

__all__ = ["AuditError", "AuditUnavailable"]


class AuditError(RoomError):
    """Base of the room."""


class AuditUnavailable(AuditError):
    """The log cannot be written. What was to be recorded must not be done."""
