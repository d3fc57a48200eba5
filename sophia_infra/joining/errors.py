"""What can go wrong before a machine is launched.

    JoiningError
    |-- IncompleteCredentials   a part of the cluster's credentials is missing or unreadable (user)
    `-- BootTextTooLong         the boot text does not fit; nothing was launched (ours)

No message holds a credential, only names and sizes.
"""

from __future__ import annotations

from typing import ClassVar, Literal

__all__ = ["BootTextTooLong", "IncompleteCredentials", "JoiningError"]


class JoiningError(Exception):
    """Base of this room's errors. Never worth a retry: nothing here depends on time."""

    fault: ClassVar[Literal["user", "ours"]] = "ours"
    retry: ClassVar[bool] = False

    def __init__(self, message: str, *, next_step: str) -> None:
        self.message = message
        self.next_step = next_step
        super().__init__(message, next_step)

    def __str__(self) -> str:
        return f"{self.message} Next: {self.next_step}"


class IncompleteCredentials(JoiningError):
    """Credentials of a cluster lack a part, or a part cannot be read."""

    fault = "user"


class BootTextTooLong(JoiningError):
    """The boot text of a node is longer than what is allowed for it."""
