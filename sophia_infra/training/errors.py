"""What can go wrong with a training run.

    TrainingError
    ├── RunRefused            what was asked for cannot run; nothing was launched (user)
    │   └── CapRefused        its limits do not allow it (user)
    ├── RunMissing            there is no such run or workload here (user)
    ├── RunHeld               another process attends the run (user)
    ├── RecordUnusable        the run's folder cannot be written or read, so nothing is launched (user)
    ├── WatchdogMissing       the watchdog did not start, so nothing is launched (ours)
    ├── NoRoom                nowhere allowed is room for all nodes; nothing runs (Lambda)
    ├── NodesLost             too few nodes are left; nothing runs any more (Lambda)
    ├── JobFailed             the command ended with another code than 0; nothing runs any more (user)
    ├── CapReached            the run was ended at its limit (user)
    ├── RunStopped            the run was ended on request (user)
    ├── MachinesRemain        machines could not be ended, and may be billed (Lambda)
    └── MachineUnreachable    SSH did not work on a machine (network)

Errors of the API and of the provider room pass through unchanged.
"""

from __future__ import annotations

from sophia_infra.model.room_error import RoomError

__all__ = [
    "CapReached",
    "CapRefused",
    "JobFailed",
    "MachineUnreachable",
    "MachinesRemain",
    "NoRoom",
    "NodesLost",
    "RecordUnusable",
    "RunHeld",
    "RunMissing",
    "RunRefused",
    "RunStopped",
    "TrainingError",
    "WatchdogMissing",
]


class TrainingError(RoomError):
    """Base of the room."""


class RunRefused(TrainingError):
    """Nothing was launched: the request names something that is not there, or not allowed."""


class CapRefused(RunRefused):
    """Nothing was launched: it would cost more, or run longer, than the limits allow."""


class RunMissing(TrainingError):
    """No run of this name is recorded here, or no cluster has this workload."""


class RunHeld(TrainingError):
    """Another process attends this run; two would launch and end machines against each other."""

    retry = True


class RecordUnusable(TrainingError):
    """Without its record a killed run could be doubled, so nothing was launched."""

    retry = True


class WatchdogMissing(TrainingError):
    """The process that holds the limits when the starter dies could not be started."""

    fault = "ours"
    retry = True


class NoRoom(TrainingError):
    """Not all nodes found room. What was launched of them was ended."""

    fault = "lambda"
    retry = True


class NodesLost(TrainingError):
    """Fewer nodes are left than the run may go on with. The rest were ended."""

    fault = "lambda"
    retry = True


class JobFailed(TrainingError):
    """The command failed on a node. The machines were ended."""


class CapReached(TrainingError):
    """The limit in dollars or hours ended the run. The machines were ended."""


class RunStopped(TrainingError):
    """Somebody asked the run to stop. The machines were ended."""


class MachinesRemain(TrainingError):
    """Not every machine of the run is known to have ended: they may still be billed."""

    fault = "lambda"
    retry = True


class MachineUnreachable(TrainingError):
    """A machine did not take a command."""

    fault = "network"
    retry = True
