"""What a caller of this room can get wrong.

    ValidationError
    |-- CriterionUnknown     no criterion has that id; the closest ones are named
    |-- PhaseNotReached      the stack is in an earlier phase than the gate that was asked for
    |-- FileRefused          a file cannot be written
    |-- CriteriaRefused      a table of criteria in the package is wrong (ours)
    `-- BaselineRefused      a baseline file is missing, damaged, of another stack, or would be overwritten

None goes away by itself: `retry` is always False.
"""

from __future__ import annotations

from sophia_infra.model.room_error import RoomError

__all__ = [
    "BaselineRefused",
    "CriteriaRefused",
    "CriterionUnknown",
    "FileRefused",
    "PhaseNotReached",
    "ValidationError",
]


class ValidationError(RoomError):
    """Base of the room."""


class CriterionUnknown(ValidationError):
    """An id that was asked for is none."""


class PhaseNotReached(ValidationError):
    """A gate was asked for whose phase the stack has not come to."""

    def __init__(self, stack: str, phase: int, gate: int) -> None:
        super().__init__(
            f"Stack {stack} is in phase {phase}: there is no gate of phase {gate} to measure yet.",
            next_step=f"`sophia up --stack {stack} --phase {gate}`, or `sophia validate --phase {phase}`.",
        )


class FileRefused(ValidationError):
    """A file cannot be written; what was there is still there."""


class CriteriaRefused(ValidationError):
    """The tables of this package contradict themselves."""

    fault = "ours"


class BaselineRefused(ValidationError):
    """A baseline cannot be read, compared or written."""
