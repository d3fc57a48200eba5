"""What keeps this room from forecasting or scaling.

    ScalingError
    ├── SeriesRefused      values that cannot be a measured load (user: the query or the file)
    ├── TooLittleData      nothing can be learned from what is there (wait, or another source)
    ├── SourceUnavailable  the source of a series did not answer (network; nothing is scaled meanwhile)
    ├── SourceRefused      it answered that the question is wrong, or with something else (user)
    ├── SettingsRefused    a setting of scaler, trace or replay cannot be right (user)
    └── LibraryMissing     a forecast was asked for that needs a package which is not installed (user)

Every message is one sentence of what happened, then one that begins with "Next:".
"""

from __future__ import annotations

from sophia_infra.model.room_error import RoomError

__all__ = [
    "LibraryMissing",
    "ScalingError",
    "SeriesRefused",
    "SettingsRefused",
    "SourceRefused",
    "SourceUnavailable",
    "TooLittleData",
]


class ScalingError(RoomError):
    """Base of the room."""


class SeriesRefused(ScalingError):
    """A value is negative or infinite, or the form of the series is not even."""


class TooLittleData(ScalingError):
    """Fewer measured steps than the model needs."""

    retry = True


class SourceUnavailable(ScalingError):
    """No answer, or a fault of the server's. Nothing is known about the load."""

    fault = "network"
    retry = True


class SourceRefused(ScalingError):
    """The source cannot answer this question, however often it is asked."""


class SettingsRefused(ScalingError):
    """The setting is named in the message, with what is allowed."""


class LibraryMissing(ScalingError):
    """`package` has to be installed for `purpose`."""

    def __init__(self, package: str, purpose: str) -> None:
        self.package = package
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed.",
            next_step=f"install sophia-infra with its dependencies (pip install {package}).",
        )
