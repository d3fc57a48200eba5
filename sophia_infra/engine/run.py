"""Runs one operation of the engine: up, preview, destroy or refresh.

Events come from the engine's event log (`--event-log FILE`), which works the same for all four verbs and
leaves stdout for the engine's own text; that goes to a log file. `--json` is not used: `preview --json`
prints one document at the end, and the text with `--diff` would be lost. The engine never shows its own
preview first (`--skip-preview`): the caller runs `preview` when it wants one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sophia_infra.engine.cancellation import Cancellation
from sophia_infra.engine.event_log import EventLog, new_run_files
from sophia_infra.engine.events import Diagnostic, Event, PolicyViolation, Summary
from sophia_infra.engine.failures import Failure, explain
from sophia_infra.engine.home import Home, engine_environment
from sophia_infra.engine.locate import Engine
from sophia_infra.engine.plugin_scripts import ensure_native_plugin
from sophia_infra.engine.processes import start_tethered
from sophia_infra.engine.stack_file import PreparedStack
from sophia_infra.model.resource_tokens import chosen_provider

Verb = Literal["up", "preview", "destroy", "refresh"]

POLL_INTERVAL_S = 0.05
"""How often the event log is read. Below what a person sees, above what costs processor time."""


@dataclass(frozen=True, slots=True)
class OperationOptions:
    """Options of the engine, by its own names; `run_operation` refuses one that the verb does not have.

    `parallel` None leaves the engine's default (4 x cores). `config` values are also written to the stack's
    effective file. `arguments` go to the engine unchanged, for what is not listed here.
    """

    target: Sequence[str] = ()
    target_dependents: bool = False
    replace: Sequence[str] = ()
    refresh: bool = False
    run_program: bool = False
    expect_no_changes: bool = False
    parallel: int | None = None
    policy_packs: Sequence[Path] = ()
    policy_pack_configs: Sequence[Path] = ()
    diff: bool = False
    message: str = ""
    clear_pending_creates: bool = False
    config: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class OperationResult:
    """What a finished operation did. `summary` is None only when the engine wrote none."""

    verb: Verb
    stack: str
    summary: Summary | None
    diagnostics: tuple[Diagnostic, ...]
    violations: tuple[PolicyViolation, ...]
    log_file: Path
    event_log: Path
    duration_s: float

    @property
    def changes(self) -> Mapping[str, int]:
        """Resources by op, for example {"create": 5, "same": 1}."""
        return self.summary.changes if self.summary else {}


def run_operation(
    engine: Engine,
    verb: Verb,
    stack: PreparedStack,
    home: Home,
    *,
    options: OperationOptions | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancellation: Cancellation | None = None,
    extra_environment: Mapping[str, str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> OperationResult:
    """Run `pulumi <verb>` on `stack` and return when it has ended.

    Called from the main thread, the first SIGINT, SIGTERM or SIGHUP asks the engine to stop after the steps
    that run, the second makes it stop at once, and what is left after `cancellation.KILL_AFTER_S` is
    killed. Elsewhere use `cancellation.request()`. The engine never outlives this call; if this process is
    killed, the engine on Linux gets the same polite request.

    Args:
        on_event: called in this thread for each event, in order. If it raises, the engine is stopped politely
            and the exception is raised when it has ended.
        extra_environment: set on top of `engine_environment`, for example LAMBDA_API_URL of an emulator.

    Raises:
        ValueError: an option that `verb` does not have, or `SOPHIA_PROVIDER` names no provider (`Refused`).
        StackLocked, ConfigRefused, PassphraseWrong, StackMissing: nothing was touched.
        UpdateCancelled: stopped on request.
        UnexpectedChanges, PolicyRefused, UpdateFailed: the engine said no; see `diagnostics` and `log_file`.
    """
    files = new_run_files(home.logs, verb, stack.name)
    command = [str(engine.pulumi), *_arguments(verb, stack, options or OperationOptions(), files.events)]
    environment = engine_environment(
        stack.name,
        home,
        engine_directory=engine.directory,
        ambient_plugins=engine.ambient_plugins,
        environ=environ,
    )
    environment |= extra_environment or {}
    if chosen_provider(environment) == "native":
        ensure_native_plugin(home)
    cancellation = cancellation or Cancellation()
    collected = _Collected(on_event)
    started = time.monotonic()
    with files.text.open("wb") as text:
        process = start_tethered(
            command,
            environment=environment,
            directory=home.checkout,
            death_signal=signal.SIGINT,
            stdout=text,
            stderr=subprocess.STDOUT,
        )
        with cancellation.controls(process):
            log = EventLog(files.events)
            while process.poll() is None:
                collected.take(log, cancellation)
                cancellation.wait(POLL_INTERVAL_S)
            collected.take(log, cancellation)
    if collected.error:
        raise collected.error
    duration_s = time.monotonic() - started
    if process.returncode != 0:
        raise explain(
            Failure(
                verb=verb,
                stack=stack.name,
                exit_code=process.returncode,
                cancelled=cancellation.requests > 0,
                forced=cancellation.forced,
                diagnostics=collected.diagnostics,
                violations=collected.violations,
                log_file=files.text,
                project_file=home.checkout / "Pulumi.yaml",
                environment=environment,
            )
        )
    return OperationResult(
        verb=verb,
        stack=stack.name,
        summary=collected.summary,
        diagnostics=tuple(collected.diagnostics),
        violations=tuple(collected.violations),
        log_file=files.text,
        event_log=files.events,
        duration_s=duration_s,
    )


class _Collected:
    """What the events said, kept while they pass."""

    def __init__(self, on_event: Callable[[Event], None] | None) -> None:
        self._on_event = on_event
        self.summary: Summary | None = None
        self.diagnostics: list[Diagnostic] = []
        self.violations: list[PolicyViolation] = []
        self.error: Exception | None = None

    def take(self, log: EventLog, cancellation: Cancellation) -> None:
        for event in log.read():
            match event:
                case Summary():
                    self.summary = event
                case Diagnostic(ephemeral=False):
                    self.diagnostics.append(event)
                case PolicyViolation():
                    self.violations.append(event)
                case _:
                    pass
            if self._on_event and not self.error:
                try:
                    self._on_event(event)
                except Exception as error:  # raised again once the engine has ended
                    self.error = error
                    cancellation.request()


def _arguments(verb: Verb, stack: PreparedStack, options: OperationOptions, event_log: Path) -> list[str]:
    arguments = [verb, "--stack", stack.name, "--config-file", str(stack.config_file)]
    arguments += ["--non-interactive", "--color", "never", "--event-log", str(event_log)]
    if verb != "preview":
        arguments += ["--yes", "--skip-preview"]
    updates = verb in ("up", "preview")
    _refuse_foreign(verb, options, updates)
    for urn in options.target:
        arguments += ["--target", urn]
    for urn in options.replace:
        arguments += ["--replace", urn]
    for pack in options.policy_packs:
        arguments += ["--policy-pack", str(pack)]
    for file in options.policy_pack_configs:
        arguments += ["--policy-pack-config", str(file)]
    flags = {
        "--target-dependents": options.target_dependents,
        "--refresh": options.refresh,
        "--run-program": options.run_program,
        "--expect-no-changes": options.expect_no_changes,
        "--diff": options.diff,
        "--clear-pending-creates": options.clear_pending_creates,
    }
    arguments += [flag for flag, wanted in flags.items() if wanted]
    if options.parallel is not None:
        arguments += ["--parallel", str(options.parallel)]
    if options.message:
        arguments += ["--message", options.message]
    for key, value in {**stack.config, **options.config}.items():
        arguments += ["--config", f"{key}={value}"]
    return [*arguments, *options.arguments]


def _refuse_foreign(verb: Verb, options: OperationOptions, updates: bool) -> None:
    foreign = {
        "replace": bool(options.replace) and not updates,
        "policy_packs": bool(options.policy_packs) and not updates,
        "refresh": options.refresh and verb == "refresh",
        "expect_no_changes": options.expect_no_changes and verb == "destroy",
        "clear_pending_creates": options.clear_pending_creates and verb != "refresh",
    }
    refused = [name for name, present in foreign.items() if present]
    if refused:
        raise ValueError(f"`pulumi {verb}` has no option {' or '.join(refused)}")
