"""Runs steps in order, each at most once to its end, and stops at the first gate that is red.

Per step: the gate, `begun` into the journal, the action, the check, `done` into the journal. A step that was
begun and is not done was cut off: its check is asked first, and only when that is red the action runs again,
which every command of ours allows. So being killed at any moment costs at most one repeated command.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from sophia_infra.audit.actor import WHY_VARIABLE
from sophia_infra.migration.children import SOPHIA, Ended, run_child, still_runs
from sophia_infra.migration.errors import GateRed, RunnerBusy, StepFailed, Stopped
from sophia_infra.migration.journal import Journal, Progress, StepRecord
from sophia_infra.migration.steps import Command, PhaseName, Step

__all__ = ["PhasePlan", "Runner", "View", "steps_after", "undoable"]

_VERDICTS: Final = frozenset({1, 2, 3, 4, 6})
"""Exit codes by which a gate or check says no; any other says that it could not be asked."""

_LEFTOVER_S: Final = 60.0
"""How long a command of a killed runner, which was asked to stop with it, is waited for."""

_INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True)
class PhasePlan:
    """A phase with its steps, all commands filled in."""

    name: PhaseName
    steps: tuple[Step, ...]


class View(Protocol):
    """Who shows the run. Every method returns at once."""

    def step(self, step: Step, number: int, total: int) -> None: ...
    def runs(self, part: str, command: Command) -> None: ...
    def output(self, line: str) -> None: ...
    def ended(self, how: str, duration_s: float) -> None: ...


class Runner:
    """Runs phases of one stack; the caller holds the journal.

    Args:
        environment: of every command.
        program: what stands before a command's arguments.
        start: runs one of them to its end.
        wait: passes seconds.
    """

    def __init__(
        self,
        journal: Journal,
        view: View,
        *,
        environment: Mapping[str, str],
        program: Sequence[str] = SOPHIA,
        start: Callable[..., Ended] = run_child,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._journal = journal
        self._view = view
        self._environment = environment
        self._program = program
        self._start = start
        self._wait = wait

    def run(self, phases: Sequence[PhasePlan], *, again: bool = False) -> int:
        """Run what is not done yet; return how many steps were.

        Args:
            again: begin a new round of a phase whose steps are all done.

        Raises:
            GateRed, StepFailed, Stopped: the steps before are done and stay so.
            RunnerBusy: a command of a killed runner does not end.
            JournalUnusable: nothing more was begun.
        """
        self._await_leftover()
        total = sum(len(phase.steps) for phase in phases)
        number = ran = 0
        for phase in phases:
            self._begin(phase, again=again)
            for step in phase.steps:
                number += 1
                if self._journal.progress().is_done(step.step_id):
                    continue
                self._view.step(step, number, total)
                self._step(phase.name, step)
                ran += 1
        return ran

    def undo(self, phase: PhasePlan, to: str) -> int:
        """Take back the steps of `phase` after `to`, last one first; return how many were.

        Steps that only ask will be asked again; those that nothing takes back stay done.

        Raises: as `run`.
        """
        self._await_leftover()
        progress = self._journal.progress()
        steps = undoable(phase, to, progress)
        for step in steps_after(phase, to) if steps else ():
            if step.action is None and progress.is_done(step.step_id):
                self._journal.append("undone", phase=phase.name, step=step.step_id)
        for number, (step, undo) in enumerate(steps, start=1):
            self._view.step(step, number, len(steps))
            self._journal.append("undo", phase=phase.name, step=step.step_id)
            ended, log_file = self._command(step, "undo", undo)
            self._judge(phase.name, step, "undo", undo, ended, log_file)
            self._journal.append("undone", phase=phase.name, step=step.step_id)
            self._view.ended("undone", ended.duration_s)
        return len(steps)

    def _begin(self, phase: PhasePlan, *, again: bool) -> None:
        progress = self._journal.progress()
        finished = all(progress.is_done(step.step_id) for step in phase.steps)
        if phase.name not in progress.rounds or (again and finished):
            self._journal.append("phase", phase=phase.name)

    def _step(self, phase: PhaseName, step: Step) -> None:
        started_s = time.monotonic()
        record = self._journal.progress().steps.get(step.step_id)
        if self._was_done(record, step):
            self._done(phase, step, "was done", started_s)
            return
        if step.gate is not None:
            ended, log_file = self._command(step, "gate", step.gate)
            self._judge(phase, step, "gate", step.gate, ended, log_file)
        if step.action is not None:
            self._journal.append("begun", phase=phase, step=step.step_id)
            ended, log_file = self._command(step, "action", step.action)
            self._judge(phase, step, "action", step.action, ended, log_file)
        if step.check is not None:
            ended, log_file = self._command(step, "check", step.check)
            self._judge(phase, step, "check", step.check, ended, log_file)
        self._done(phase, step, "done", started_s)

    def _was_done(self, record: StepRecord | None, step: Step) -> bool:
        """Whether a step that was cut off had done its work; without a check that can tell, it had not."""
        if record is None or record.status != "begun" or step.check is None or step.resume == "repeat":
            return False
        ended, _ = self._command(step, "check", step.check)
        if ended.stop_asked or ended.exit_code == _INTERRUPTED:
            raise _stopped(step)
        return ended.exit_code in step.check.accept

    def _done(self, phase: PhaseName, step: Step, how: str, started_s: float) -> None:
        duration_s = time.monotonic() - started_s
        self._journal.append("done", phase=phase, step=step.step_id, duration_s=round(duration_s, 1), how=how)
        self._view.ended(how, duration_s)

    def _command(self, step: Step, part: str, command: Command) -> tuple[Ended, Path]:
        self._view.runs(part, command)
        logs = self._journal.folder / "logs"
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        log_file = logs / f"{step.step_id}-{part}.log"

        def on_start(child: tuple[int, int]) -> None:
            if part in ("action", "undo"):
                self._journal.append("child", step=step.step_id, pid=child[0], started=child[1])

        ended = self._start(
            [*self._program, *command.argv],
            log_file,
            environment={**self._environment, WHY_VARIABLE: f"migration, step {step.step_id}"},
            on_start=on_start,
            on_output=self._view.output,
        )
        return ended, log_file

    def _judge(
        self, phase: PhaseName, step: Step, part: str, command: Command, ended: Ended, log_file: Path
    ) -> None:
        """Return when the command succeeded and nobody asked to stop meanwhile."""
        code = ended.exit_code
        if ended.stop_asked or code == _INTERRUPTED:
            # Although the command may have succeeded: the next run asks its check first.
            raise _stopped(step)
        if code in command.accept:
            return
        self._journal.append(
            "failed", phase=phase, step=step.step_id, part=part, exit_code=code, log=str(log_file)
        )
        self._view.ended(f"{part} {'red' if part in ('gate', 'check') else 'failed'}", ended.duration_s)
        red = part in ("gate", "check") and code in _VERDICTS
        kind = GateRed if red else StepFailed
        raise kind(
            f"Step {step.step_id} ({step.title}) stopped: its {part} `{command}` ended with code {code}.",
            next_step=f"run that command to see why; all it printed is in {log_file}. "
            "When it is mended, run the same migration again: it goes on at this step.",
            step_id=step.step_id,
            exit_code=code,
            log_file=log_file,
        )

    def _await_leftover(self) -> None:
        """A command of a runner that was killed got Ctrl-C with it, and may still be on its way out."""
        for step_id, record in self._journal.progress().steps.items():
            if record.status not in ("begun", "undo") or record.child is None:
                continue
            deadline_s = time.monotonic() + _LEFTOVER_S
            while still_runs(record.child):
                if time.monotonic() > deadline_s:
                    raise RunnerBusy(
                        f"The command of step {step_id} still runs, as process {record.child[0]}, "
                        "although its runner is gone.",
                        next_step="wait until it has ended, or end it, then run this again.",
                    )
                self._wait(0.2)


def undoable(phase: PhasePlan, to: str, progress: Progress) -> list[tuple[Step, Command]]:
    """Steps after `to` that were begun or done and have an undo, last one first, each with it."""
    found = []
    for step in reversed(steps_after(phase, to)):
        record = progress.steps.get(step.step_id)
        if step.undo is not None and record is not None and record.status != "undone":
            found.append((step, step.undo))
    return found


def steps_after(phase: PhasePlan, to: str) -> tuple[Step, ...]:
    """What comes after step `to` of the phase; all of it for ""."""
    names = [step.step_id for step in phase.steps]
    return phase.steps[names.index(to) + 1 :] if to else phase.steps


def _stopped(step: Step) -> Stopped:
    return Stopped(
        f"Stopped in step {step.step_id} ({step.title}). What was done is in the journal.",
        next_step="run the same command again to go on.",
    )
