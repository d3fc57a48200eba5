"""What can go wrong in the migration room.

    MigrationError
    ├── PlanRefused        a date or stack that cannot be (user; nothing was done)
    ├── GateRed            a precondition, gate or check said no (user)
    ├── StepFailed         an action ended badly, or could not be asked (user; see its own exit code)
    ├── Stopped            Ctrl-C (user; run it again)
    ├── RunnerBusy         another process migrates this stack, or left a command running (user; later)
    └── JournalUnusable    the journal cannot be written or was changed (user; nothing was done)

Whatever is raised, the journal knows every step that is done; the same command goes on from there.
"""

from __future__ import annotations

from pathlib import Path

from sophia_infra.model.room_error import RoomError

__all__ = [
    "GateRed",
    "JournalUnusable",
    "MigrationError",
    "PlanRefused",
    "RunnerBusy",
    "StepFailed",
    "Stopped",
]


class MigrationError(RoomError):
    """Base of the room."""


class PlanRefused(MigrationError):
    """The plan does not fit the calendar, or the stack does not fit the phase."""


class _OfStep(MigrationError):
    """About one step.

    Attributes:
        step_id: of it.
        exit_code: of its command.
        log_file: what that command printed; None where none ran.
    """

    def __init__(
        self, message: str, *, next_step: str, step_id: str, exit_code: int, log_file: Path | None = None
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.step_id = step_id
        self.exit_code = exit_code
        self.log_file = log_file


class GateRed(_OfStep):
    """What must hold does not. The action behind the gate was not begun."""


class StepFailed(_OfStep):
    """The command ended with a code that is no success, and is no verdict either."""


class Stopped(MigrationError):
    """Somebody asked the runner to stop, and it did between two steps or with the command that ran."""

    retry = True


class RunnerBusy(MigrationError):
    """Only one process migrates a stack, and only one command of it runs."""

    retry = True


class JournalUnusable(MigrationError):
    """What cannot be recorded is not done, and a journal that was changed is not added to."""
