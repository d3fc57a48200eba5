"""What can go wrong in the optimization room.

    OptimizationError
    ├── NoMetricSource       no usage was ever read, so nothing is done (user)
    ├── NoHealthGate         nobody could say that an action did harm, so nothing is done (user)
    ├── UnhealthyBefore      the health gate is down already, so nothing is done (user)
    ├── AccountChanged       the account is not what the advice was about any more (user)
    ├── NotAllowed           risk, switch, protection or a limit forbids it (user)
    ├── RecommendationMissing   no recommendation or action has that id (user)
    ├── UndoImpossible       the log cannot say how to undo it, or it was undone (user)
    ├── ApplierBusy          another process applies for this stack (user; later it can succeed)
    ├── LogUnusable          the action log cannot be written or was changed (user)
    ├── OverlapClaimed       more savings were claimed than there are (user)
    └── ChangeRefused        a change of the stack file that would not load (user)

Errors of the API, of the provider room and of the client of Prometheus pass through unchanged. Whenever one
of these is raised before an action's intent is in the log, nothing was sent.
"""

from __future__ import annotations

from sophia_infra.model.room_error import RoomError

__all__ = [
    "AccountChanged",
    "ApplierBusy",
    "ChangeRefused",
    "LogUnusable",
    "NoHealthGate",
    "NoMetricSource",
    "NotAllowed",
    "OptimizationError",
    "OverlapClaimed",
    "RecommendationMissing",
    "UndoImpossible",
    "UnhealthyBefore",
]


class OptimizationError(RoomError):
    """Base of the room."""


class NoMetricSource(OptimizationError):
    """Nothing measured what runs. Advice about the account alone is still given; nothing is applied."""


class NoHealthGate(OptimizationError):
    """Nothing watches what an action does."""


class UnhealthyBefore(OptimizationError):
    """The gate is down, or does not answer, before anything was done."""

    retry = True


class AccountChanged(OptimizationError):
    """The machine or filesystem is gone, came into the state, or is in use."""


class NotAllowed(OptimizationError):
    """A rule forbids it."""


class RecommendationMissing(OptimizationError):
    """No such id now."""


class UndoImpossible(OptimizationError):
    """There is nothing that could be undone."""


class ApplierBusy(OptimizationError):
    """Only one process applies for a stack."""

    retry = True


class LogUnusable(OptimizationError):
    """What cannot be recorded is not done, and a log that was changed is not added to."""


class OverlapClaimed(OptimizationError):
    """Savings about the same machines were added up."""


class ChangeRefused(OptimizationError):
    """The stack file cannot be changed that way by a program."""
