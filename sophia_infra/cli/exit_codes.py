"""What the exit code of `sophia` says. Documented in README.md; a test compares the two."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitCode"]


class ExitCode(IntEnum):
    """One code per thing that the caller does next."""

    OK = 0
    """Done, or nothing to do."""
    FAILED = 1
    """The update failed; what was made before is in the state. Read the message, run again."""
    OVER_BUDGET = 2
    """`preview` or `cost diff`: the stack would cost more than its budget. `train`: the run's cap."""
    OVER_QUOTA = 3
    """`preview` or `cost diff`: more would run than `sophia:quota` says the account may."""
    NO_CAPACITY = 4
    """`preview`, `cost diff`, `train run`: something is to be launched for which no capacity is listed."""
    CLOUD = 5
    """Lambda Cloud, or the emulator, refused or did not answer."""
    FINDINGS = 6
    """`doctor`, `train sweep`, `monitor --fail-on`, `validate`, `adopt`, `audit verify` or a `backup` check
    found something, a migration stopped at a red gate, `canary` or `cutover` went back, `promote` has no
    green gate, `up` ended beside a machine of no state, or changes were not expected."""
    ENGINE = 7
    """The Pulumi engine is missing, too old or could not be built."""
    LOCKED = 8
    """Another update holds the stack, or another process the training run, the migration or the traffic that
    is to be moved. Nothing was sent."""
    USAGE = 64
    """The command line, the stack file or a key is wrong. Nothing was sent."""
    INTERRUPTED = 130
    """Ended by Ctrl-C. Run the same command again to go on."""
