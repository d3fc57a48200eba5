"""What can go wrong between us and the Pulumi engine.

    EngineError                 attributes: message, fault, retry, next_step
    ├── EngineMissing           no engine here and none can be built (no Go, or no sources)
    │   └── EngineTooOld        an engine or a Go was found, but its version does not fit
    ├── BuildFailed             `go` could not build the engine: cause, last useful lines
    └── OperationError          a command of the engine did not do what was asked: verb, stack, log_file
        ├── ConfigRefused       the stack file or an option is wrong; nothing was touched
        ├── PassphraseWrong     the stack's secrets cannot be opened; nothing was touched
        ├── StackMissing        no such stack in the backend; nothing was touched
        ├── StackLocked         another run holds the stack, or died holding it; nothing was touched
        ├── UpdateCancelled     stopped on request; what was finished is recorded
        └── UpdateFailed        the engine ended with an error: diagnostics
            ├── UnexpectedChanges   `expect_no_changes` was asked for and there are changes
            └── PolicyRefused       a mandatory policy said no

`fault` is "user", "environment" (this machine or its network) or "program" (what the engine ran: our
program, a provider, the cloud behind it). `retry` is True when the same call may work later without a
change.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sophia_infra.engine.events import Diagnostic, PolicyViolation
    from sophia_infra.engine.locks import LockHolder

Fault = Literal["user", "environment", "program"]


class EngineError(Exception):
    """Base of this room. `str()` is the sentence for the user: what happened, then what to do next."""

    fault: Fault = "environment"
    retry: bool = False

    def __init__(self, message: str, *, next_step: str) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()


class EngineMissing(EngineError):
    """There is no Pulumi engine on this machine and it cannot be built."""


class EngineTooOld(EngineMissing):
    """A Pulumi CLI or a Go toolchain was found, but it is older (or newer) than what fits."""


class BuildFailed(EngineError):
    """Building the engine or other tools ended with an error; nothing half-built is left.

    `cause` is "disk", "network" or "build"; `output` holds the last useful lines of `go`.
    """

    def __init__(
        self,
        message: str,
        *,
        next_step: str,
        cause: Literal["disk", "network", "build"],
        output: Sequence[str],
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.cause = cause
        self.output = tuple(output)
        self.retry = cause == "network"

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"  {line}" for line in self.output), self.next_step])


class OperationError(EngineError):
    """A command of the engine failed. `log_file` has all that it printed, or is None if it never started."""

    fault: Fault = "program"

    def __init__(
        self, message: str, *, next_step: str, verb: str, stack: str, log_file: Path | None = None
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.verb = verb
        self.stack = stack
        self.log_file = log_file


class ConfigRefused(OperationError):
    """The engine or we refused the configuration before anything was touched."""

    fault: Fault = "user"


class PassphraseWrong(OperationError):
    """The passphrase that opens the stack's secrets is absent or wrong. Nothing was touched."""

    fault: Fault = "user"


class StackMissing(OperationError):
    """The backend knows no stack of this name. Nothing was touched."""

    fault: Fault = "user"


class StackLocked(OperationError):
    """Another run holds the stack, or a run died and left its lock. Nothing was touched.

    `holders` lists the locks that could be read (empty on a backend that is no folder of this machine).
    """

    fault: Fault = "user"

    def __init__(
        self,
        message: str,
        *,
        next_step: str,
        verb: str,
        stack: str,
        holders: Sequence[LockHolder] = (),
        log_file: Path | None = None,
    ) -> None:
        super().__init__(message, next_step=next_step, verb=verb, stack=stack, log_file=log_file)
        self.holders = tuple(holders)
        self.retry = any(holder.alive is not False for holder in self.holders)


class UpdateCancelled(OperationError):
    """The run was stopped on request (Ctrl-C, SIGTERM or a call of `Cancellation.request`).

    With `forced` False the engine let running steps end and recorded them. With `forced` True it was
    killed: a resource may exist that the state does not know, and the stack may still be locked.
    """

    fault: Fault = "user"
    retry = True

    def __init__(
        self,
        message: str,
        *,
        next_step: str,
        verb: str,
        stack: str,
        forced: bool,
        log_file: Path | None = None,
    ) -> None:
        super().__init__(message, next_step=next_step, verb=verb, stack=stack, log_file=log_file)
        self.forced = forced


class UpdateFailed(OperationError):
    """The engine ended with an error. What was finished before it is recorded in the state."""

    def __init__(
        self,
        message: str,
        *,
        next_step: str,
        verb: str,
        stack: str,
        exit_code: int,
        diagnostics: Sequence[Diagnostic] = (),
        violations: Sequence[PolicyViolation] = (),
        log_file: Path | None = None,
    ) -> None:
        super().__init__(message, next_step=next_step, verb=verb, stack=stack, log_file=log_file)
        self.exit_code = exit_code
        self.diagnostics = tuple(diagnostics)
        self.violations = tuple(violations)


class UnexpectedChanges(UpdateFailed):
    """`expect_no_changes` was asked for, and the program and the state differ."""

    fault: Fault = "user"


class PolicyRefused(UpdateFailed):
    """A mandatory policy stopped the run; see `violations`."""

    fault: Fault = "user"
