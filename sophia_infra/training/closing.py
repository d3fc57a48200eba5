"""End a run's machines and close its record; for its starter, and for others once the starter is dead."""

from __future__ import annotations

from typing import Final

from sophia_infra.lambda_cloud import Instance, LambdaCloudError
from sophia_infra.training.context import RunContext, RunMeans
from sophia_infra.training.errors import MachinesRemain
from sophia_infra.training.machines import ending_of_run
from sophia_infra.training.run_folder import RunFolder
from sophia_infra.training.run_state import Outcome, RunState

__all__ = ["close_dead_run", "end_run"]

_PATIENCE_S: Final = 900.0
"""How long the end is tried while the service does not answer; the watchdog goes on trying for ever."""


def end_run(run: RunContext) -> None:
    """End every machine of the run; the record says `ended` only when the list does.

    Raises:
        MachinesRemain, LambdaCloudError: some may still be billed; the record stays open.
    """
    run.means.say("ending the machines")
    began_s = run.now_s

    def ended(machine: Instance) -> None:
        run.note_ended(run.note_listed(machine))

    while True:
        try:
            run.sync(run.session.instances.rows(0))
            ending_of_run(run.session, run.spec.stack, run.spec.run_id, ended)
            break
        except (LambdaCloudError, MachinesRemain) as error:
            if run.now_s - began_s >= _PATIENCE_S or not error.retry:
                raise
            run.means.say(f"not all machines have ended yet, trying on: {error}")
            run.means.clock.sleep(run.spec.poll_s)
    for record in run.state.machines.values():
        run.note_ended(record)
    run.state.phase = "ended"
    run.state.ended_at_s = run.now_s
    run.save()


def close_dead_run(folder: RunFolder, means: RunMeans, outcome: Outcome, message: str) -> RunState:
    """What the starter would do at the end, when it is dead; nothing is copied back.

    Raises:
        RunHeld: it lives. Else as `end_run`.
    """
    with folder.held("starter"):
        run = RunContext(folder, means)
        if run.state.outcome is None:
            run.state.outcome, run.state.message = outcome, message
        run.state.phase = "ending"
        run.save()
        end_run(run)
        return run.state
