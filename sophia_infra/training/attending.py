"""Attend a run from wherever it stands to its end: after a process that was killed, the next one goes on."""

from __future__ import annotations

from typing import Final

from sophia_infra.lambda_cloud import LambdaCloudError
from sophia_infra.provider.errors import ProviderError, Stopped
from sophia_infra.training.booting import boot_nodes
from sophia_infra.training.closing import end_run
from sophia_infra.training.context import RunContext, RunMeans
from sophia_infra.training.errors import (
    CapReached,
    CapRefused,
    JobFailed,
    MachineUnreachable,
    NodesLost,
    NoRoom,
    RunRefused,
    RunStopped,
    TrainingError,
)
from sophia_infra.training.jobs import job_of, train
from sophia_infra.training.launching import launch_nodes
from sophia_infra.training.run_folder import RunFolder
from sophia_infra.training.run_state import Outcome, RunState

__all__ = ["attend"]

_OUTCOMES: Final[tuple[tuple[type[Exception], Outcome], ...]] = (
    (NoRoom, "no room"),
    (NodesLost, "lost"),
    (JobFailed, "failed"),
    (CapReached, "cap"),
    (RunStopped, "stopped"),
    (Stopped, "stopped"),
    (CapRefused, "refused"),
)


def attend(folder: RunFolder, means: RunMeans) -> RunState:
    """Carry the run out, and end its machines whatever happens: the state it ended in.

    Ctrl-C counts as a request to stop. Another one during the end leaves at once: the watchdog ends the
    machines then, because the request lies on the disk.

    Raises:
        RunHeld: another process attends it.
        NoRoom, NodesLost, JobFailed, CapReached, RunStopped: why it ended; its machines have ended.
        MachinesRemain: some may still be billed; the watchdog and `sophia train sweep` go on trying.
        RunRefused: a variable that the command needs is not set; nothing was touched.
        LambdaCloudError, ProviderError: the API refused; its machines have ended.
    """
    with folder.held("starter"):
        run = RunContext(folder, means)
        if run.state.phase == "ended":
            return run.state
        failure: Exception | None = None
        if run.state.phase != "ending":
            _ensure_variables(run)
            failure = _go_on(run)
            outcome: Outcome = "done"
            if failure is not None:
                outcome = next((word for kind, word in _OUTCOMES if isinstance(failure, kind)), "refused")
            run.state.outcome, run.state.phase = outcome, "ending"
            run.state.message = "" if failure is None else getattr(failure, "message", str(failure))
            run.save()
        _collect(run)
        end_run(run)
        if failure is not None:
            raise failure
        return run.state


def _go_on(run: RunContext) -> Exception | None:
    """The steps that are left; why they ended early, None when the job is done."""
    try:
        if run.state.phase in ("planned", "launching"):
            launch_nodes(run)
        if run.state.phase == "booting":
            boot_nodes(run)
        if run.state.phase == "running":
            train(run)
    except Stopped as error:
        return _why_stopped(run, error)
    except (TrainingError, ProviderError, LambdaCloudError) as error:
        return error
    except KeyboardInterrupt:
        run.folder.ask_to_stop()
        return RunStopped(f"Run {run.spec.run_id} was stopped by Ctrl-C.", next_step="run it again.")
    return None


def _why_stopped(run: RunContext, error: Stopped) -> Exception:
    """A long wait of the provider room ends the same way for a request and for a limit."""
    try:
        run.check_limits()
    except TrainingError as why:
        return why
    return error


def _ensure_variables(run: RunContext) -> None:
    missing = [name for name in run.spec.env if name not in run.means.variables]
    if missing:
        raise RunRefused(
            f"Run {run.spec.run_id}: {', '.join(missing)} of the cluster's `env` is not set here.",
            next_step="export it and run the same command again. Nothing was launched or ended by this one.",
        )


def _collect(run: RunContext) -> None:
    """Copy results and logs back; what cannot be copied is said and holds nothing up."""
    state = run.state
    if not state.incarnation or state.results or run.is_over():
        return
    job = job_of(run)
    said = []
    for node in job.nodes:
        wanted = [(f"start-{state.incarnation}/log", run.folder.results / f"node-{node.number}")]
        if node is job.nodes[0]:
            wanted.insert(0, (run.spec.results, run.folder.results))
        try:
            if state.outcome != "done":
                run.means.access.cancel(job, node)
            said += [run.means.access.collect(job, node, source, target) for source, target in wanted]
        except (MachineUnreachable, OSError) as error:
            said.append(str(error))
        if run.is_over():
            break
    state.results = "; ".join(dict.fromkeys(said)) or "nothing"
    state.job_ended_s = state.job_ended_s or run.now_s
    run.save()
