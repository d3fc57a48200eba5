"""What can keep the exporter from running. What goes wrong while it runs is a metric and a line of its log.

    ExporterError
    └── StateUnusable  the state file cannot be read, or has no folder (user)

An address that nobody can listen on is `metrics_server.ListenError`, wrong settings are
`model.errors.ConfigError`, a missing key or address of the cloud is `provider.errors.SettingsRefused`: all of
them before any request.
"""

from __future__ import annotations

from typing import ClassVar, Literal

__all__ = ["ExporterError", "StateUnusable"]


class ExporterError(Exception):
    """Base of the room.

    Attributes:
        fault: whose.
        retry: whether the same call may succeed later without a change.
        next_step: what to do now, an imperative sentence.
    """

    fault: ClassVar[Literal["user", "ours"]] = "user"
    retry: ClassVar[bool] = False
    next_step: ClassVar[str] = "correct the value."

    def __init__(self, message: str) -> None:
        super().__init__(f"{message} Next: {self.next_step}")


class StateUnusable(ExporterError):
    """The state file cannot be read, or its folder does not exist."""

    next_step = "give a file in a folder that this user may write, or leave --state out."
