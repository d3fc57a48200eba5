"""What can go wrong before a machine is launched.

    JoiningError
    |-- IncompleteCredentials   a part of the cluster's credentials is missing or unreadable (user)
    `-- BootTextTooLong         the boot text does not fit; nothing was launched (ours)

No message holds a credential, only names and sizes.
"""

from __future__ import annotations

from sophia_infra.model.room_error import Fault, RoomError

__all__ = ["BootTextTooLong", "IncompleteCredentials", "JoiningError"]


class JoiningError(RoomError):
    """Base of the room. Never worth a retry: nothing here depends on time."""

    fault: Fault = "ours"


class IncompleteCredentials(JoiningError):
    """Credentials of a cluster lack a part, or a part cannot be read."""

    fault = "user"


class BootTextTooLong(JoiningError):
    """The boot text of a node is longer than what is allowed for it."""
