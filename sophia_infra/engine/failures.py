"""Turns the end of a failed engine command into one of our errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from sophia_infra.engine.errors import (
    ConfigRefused,
    OperationError,
    PassphraseWrong,
    PolicyRefused,
    StackLocked,
    StackMissing,
    UnexpectedChanges,
    UpdateCancelled,
    UpdateFailed,
)
from sophia_infra.engine.events import Diagnostic, PolicyViolation
from sophia_infra.engine.home import file_backend
from sophia_infra.engine.locks import LockHolder, find_locks

# Exit codes of the CLI: sdk/v3 v3.259.0 `go/common/util/cmdutil/exit.go`.
EXIT_CONFIGURATION = 2
EXIT_POLICY_VIOLATION = 5
EXIT_STACK_NOT_FOUND = 6
EXIT_NO_CHANGES = 7
EXIT_CANCELLED = 8

_ECHOES = ("an unhandled error occurred: ", "update failed", "preview failed", "update canceled")
"""How the engine repeats, without saying why, that something failed."""

_LOG_TAIL_BYTES = 64 * 1024
_SHOWN_ERRORS = 3


@dataclass(frozen=True, slots=True)
class Failure:
    """Everything known about a command that ended with `exit_code` (negative: killed by that signal)."""

    verb: str
    stack: str
    exit_code: int
    project_file: Path
    environment: Mapping[str, str]
    log_file: Path | None = None
    text: str = ""
    cancelled: bool = False
    forced: bool = False
    diagnostics: Sequence[Diagnostic] = field(default_factory=tuple)
    violations: Sequence[PolicyViolation] = field(default_factory=tuple)


def explain(failure: Failure) -> OperationError:
    """Return the error that says what happened and what to do next. Most specific first."""
    text = failure.text or _tail(failure.log_file)
    lowered = text.lower()
    verb, stack, log_file = failure.verb, failure.stack, failure.log_file
    if "is currently locked by" in lowered or ("eof" in lowered and _run_died(failure)):
        return _locked(failure)
    if failure.exit_code == EXIT_STACK_NOT_FOUND:
        return StackMissing(
            f"The backend has no stack {stack!r}.",
            next_step=f"`sophia up --stack {stack}` makes it; or check the name and the backend.",
            verb=verb,
            stack=stack,
            log_file=log_file,
        )
    if "incorrect passphrase" in lowered or "passphrase must be set" in lowered:
        what = "is wrong" if "incorrect passphrase" in lowered else "is not set"
        return PassphraseWrong(
            f"The passphrase of stack {stack!r} {what}.",
            next_step="Set PULUMI_CONFIG_PASSPHRASE (or PULUMI_CONFIG_PASSPHRASE_FILE) as it was.",
            verb=verb,
            stack=stack,
            log_file=log_file,
        )
    if failure.cancelled or failure.exit_code == EXIT_CANCELLED:
        return _cancelled(failure)
    if failure.exit_code == EXIT_CONFIGURATION or "getting stack configuration:" in lowered:
        return ConfigRefused(
            f"The engine refused the configuration: {_error_lines(text) or 'no reason given'}",
            next_step="Correct the stack file or the option; nothing was touched.",
            verb=verb,
            stack=stack,
            log_file=log_file,
        )
    return _failed(failure, text)


def _failed(failure: Failure, text: str) -> UpdateFailed:
    errors = [diagnostic for diagnostic in failure.diagnostics if diagnostic.severity == "error"]
    mandatory = [violation for violation in failure.violations if violation.enforcement == "mandatory"]
    kind: type[UpdateFailed] = UpdateFailed
    next_step = f"All that the engine printed is in {failure.log_file}." if failure.log_file else ""
    if failure.exit_code == EXIT_NO_CHANGES:
        kind = UnexpectedChanges
        message = f"No changes were expected, but {failure.verb} of stack {failure.stack!r} finds some."
    elif failure.exit_code == EXIT_POLICY_VIOLATION or mandatory:
        kind = PolicyRefused
        names = ", ".join(sorted({violation.policy for violation in mandatory})) or "a mandatory policy"
        message = f"{failure.verb} of stack {failure.stack!r} was stopped by {names}."
    else:
        specific = [error for error in errors if error.urn and not _is_root(error.urn)] or [
            error for error in errors if not error.message.startswith(_ECHOES)
        ]
        reasons = _reasons(specific)
        if len(reasons) > _SHOWN_ERRORS:
            reasons = [*reasons[:_SHOWN_ERRORS], f"and {len(reasons) - _SHOWN_ERRORS} more"]
        detail = "; ".join(reasons) or _error_lines(text) or _ending(failure.exit_code)
        message = f"{failure.verb} of stack {failure.stack!r} failed: {detail}."
        if failure.exit_code < 0:
            next_step = f"Start it again: it says how to go on if the stack is locked. {next_step}".strip()
    return kind(
        message,
        next_step=next_step,
        verb=failure.verb,
        stack=failure.stack,
        exit_code=failure.exit_code,
        diagnostics=failure.diagnostics,
        violations=failure.violations,
        log_file=failure.log_file,
    )


def _reasons(errors: Sequence[Diagnostic]) -> list[str]:
    """What happened, each reason once with the names of the resources that it hit."""
    names: dict[str, list[str]] = {}
    for error in errors:
        hit = names.setdefault(_text(error), [])
        if error.urn and not _is_root(error.urn):
            hit.append(error.urn.rsplit("::", 1)[-1])
    return [f"{_named(hit)}: {text}" if hit else text for text, hit in names.items()]


def _named(hit: Sequence[str]) -> str:
    rest = len(hit) - _SHOWN_ERRORS
    return ", ".join(hit[:_SHOWN_ERRORS]) + (f" and {rest} more" if rest > 0 else "")


def _text(diagnostic: Diagnostic) -> str:
    lines = diagnostic.message.splitlines()
    # Of a traceback the last line says what happened.
    text = lines[-1] if "Traceback (most recent call last)" in diagnostic.message else lines[0]
    if "cannot be deleted" in text and "protected" in diagnostic.message:
        return (
            "is protected, so it was not deleted; set `protect: false` in the stack file and run `up` first"
        )
    return text.removeprefix("Exception calling application: ").rstrip(".")


def _is_root(urn: str) -> bool:
    return "::pulumi:pulumi:Stack::" in urn


def _ending(exit_code: int) -> str:
    return f"the engine was killed by signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"


def _cancelled(failure: Failure) -> UpdateCancelled:
    if failure.forced:
        message = (
            f"{failure.verb} of stack {failure.stack!r} was stopped at once; a step may have been cut off."
        )
        next_step = "Start it again: it finds what exists. If the stack is locked, it says how to go on."
    else:
        message = f"{failure.verb} of stack {failure.stack!r} was stopped; what was finished is recorded."
        next_step = "Start it again to go on."
    return UpdateCancelled(
        message,
        next_step=next_step,
        verb=failure.verb,
        stack=failure.stack,
        forced=failure.forced,
        log_file=failure.log_file,
    )


def _run_died(failure: Failure) -> bool:
    """Whether a dead run holds the stack: its half written attributes make the engine say EOF (locks.py)."""
    holders = locks_of(failure.project_file, failure.stack, failure.environment)
    return bool(holders) and all(holder.alive is False for holder in holders)


def _locked(failure: Failure) -> StackLocked:
    return stack_locked(
        failure.verb,
        failure.stack,
        locks_of(failure.project_file, failure.stack, failure.environment),
        log_file=failure.log_file,
    )


def stack_locked(
    verb: str, stack: str, holders: Sequence[LockHolder], *, log_file: Path | None = None
) -> StackLocked:
    """Build the error that says who holds `stack` and whether to wait or to unlock."""
    if holders and all(holder.alive is False for holder in holders):
        next_step = "That run died: `sophia up` takes its lock away and goes on."
    elif any(holder.alive for holder in holders):
        next_step = "Wait until it ends, or stop it with Ctrl-C where it runs."
    else:
        next_step = f"Wait until it ends; if it is surely dead, run `pulumi cancel --stack {stack}`."
    who = "; ".join(str(holder) for holder in holders) or "another run"
    return StackLocked(
        f"Stack {stack!r} is locked by {who}. Nothing was touched.",
        next_step=next_step,
        verb=verb,
        stack=stack,
        holders=holders,
        log_file=log_file,
    )


def locks_of(project_file: Path, stack: str, environment: Mapping[str, str]) -> tuple[LockHolder, ...]:
    """Return the locks on `stack`; empty when the backend is no folder of this machine."""
    backend = file_backend(environment)
    if backend is None:
        return ()
    return find_locks(backend, read_project_name(project_file), stack.rsplit("/", 1)[-1])


def read_project_name(project_file: Path) -> str:
    """Return the `name` of Pulumi.yaml, or an empty text when there is none."""
    try:
        project = yaml.safe_load(project_file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return ""
    return str(project.get("name", "")) if isinstance(project, dict) else ""


def _error_lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return "; ".join(errors[-_SHOWN_ERRORS:])


def _tail(file: Path | None) -> str:
    if file is None:
        return ""
    with file.open("rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - _LOG_TAIL_BYTES))
        return stream.read().decode("utf-8", "replace")
