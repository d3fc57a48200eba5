"""What the errors of all rooms have in common; each room has a tree of its own below it."""

from __future__ import annotations

from typing import Literal

__all__ = ["Fault", "RoomError"]

Fault = Literal["user", "lambda", "network", "cluster", "service", "environment", "ours"]


class RoomError(Exception):
    """Prints one sentence of what happened, then one that begins with "Next:".

    Attributes:
        message: what happened, and what it costs.
        next_step: what to do now, an imperative sentence.
        fault: whose it is.
        retry: whether the same call may succeed later without a change.
    """

    fault: Fault = "user"
    retry: bool = False

    def __init__(self, message: str, *, next_step: str) -> None:
        self.message = message
        self.next_step = next_step
        super().__init__(message, next_step)

    def __str__(self) -> str:
        return f"{self.message} Next: {self.next_step}"
