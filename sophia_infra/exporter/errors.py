"""What can keep the exporter from running. What goes wrong while it runs is a metric and a line of its log.

    ExporterError
    ├── CannotListen    the address is taken, not of this machine, or not allowed (user)
    ├── AddressRefused  the text is no address (user)
    └── StateUnusable   the state file cannot be read, or has no folder (user)

Wrong settings are `model.errors.ConfigError`, a missing key or address of the cloud is
`provider.errors.SettingsRefused`: both before any request.
"""

from __future__ import annotations

from typing import ClassVar, Literal

__all__ = ["AddressRefused", "CannotListen", "ExporterError", "StateUnusable"]


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


class AddressRefused(ExporterError):
    """The text to listen on is no address."""

    next_step = "write HOST:PORT, such as 127.0.0.1:9105 or [::1]:9105; port 0 lets the system choose."


class CannotListen(ExporterError):
    """The system does not give this address."""

    retry = True
    next_step = "choose another address, or end what listens there."


class StateUnusable(ExporterError):
    """The state file cannot be read, or its folder does not exist."""

    next_step = "give a file in a folder that this user may write, or leave --state out."
