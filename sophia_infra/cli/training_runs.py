"""`sophia train`: what its commands do."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sophia_infra.audit import audit_log_of
from sophia_infra.cli.confirming import is_agreed
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.training_cloud import environment_of, now_s_of, open_training_stack, session_of
from sophia_infra.cli.training_joining import join_means, join_outputs
from sophia_infra.cli.training_planning import POLL_S, RunRequest, check_month, plan_training
from sophia_infra.cli.training_views import RunProgress, show_plan, show_run, show_sweep
from sophia_infra.cli.views import make_console

if TYPE_CHECKING:
    from rich.console import Console

    from sophia_infra.cli.stack_context import StackContext
    from sophia_infra.model.training import Bootstrap
    from sophia_infra.training.reporting import RunReport
    from sophia_infra.training.run_folder import RunFolder

__all__ = ["run_training", "stop_run", "sweep_runs"]

_STOP_TIMEOUT_S = 300.0
_REFRESH_S = 0.2


def run_training(request: RunRequest, *, dry_run: bool, detach: bool, yes: bool, as_json: bool) -> ExitCode:
    """Plan, ask, run; or go on with the run of this workload that has not ended."""
    from sophia_infra.training.beginning import begin_run, beginning, find_open_run

    console = make_console(stderr=as_json)
    context = open_training_stack(request.stack)
    environment = environment_of(context)
    limits = request.limits()
    folder = None if dry_run else find_open_run(context.home, context.tag, request.workload)
    if folder is None:
        plan, session = plan_training(context, request.workload, limits, environment)
        if dry_run and as_json:
            print(json.dumps(plan.as_json(), indent=2))
            return ExitCode.OK
        show_plan(console, plan)
        if dry_run:
            return ExitCode.OK
        outputs = _join_outputs(context, plan.config.bootstrap, plan.cluster, detach)
        question = "Launch it on the real Lambda Cloud? It costs money."
        if not is_agreed(context, question, yes=yes, nothing="Nothing was launched."):
            return ExitCode.USAGE
        with beginning(context.home):
            folder = find_open_run(context.home, context.tag, request.workload)
            if folder is None:
                # Again, under the lock: another run may have begun since the plan was made.
                check_month(context, session, plan)
                folder = begin_run(
                    context.home,
                    plan,
                    stack=context.tag,
                    endpoint=context.config.endpoint,
                    now_s=session.clock.now(),
                    poll_s=POLL_S,
                )
    else:
        spec = folder.spec()
        outputs = _join_outputs(context, spec.bootstrap, spec.cluster, detach)
        console.print(f"Going on with run {folder.run_id}, which has not ended; its own limits hold.")
    log = audit_log_of(context.home.root, context.name)
    why = f"sophia train run --workload {request.workload} --stack {request.stack}"
    before = {"run": folder.run_id, "max_usd": str(folder.spec().max_usd)}
    with log.change(action="train run", subject=request.workload, why=why, before=before) as change:
        code = _attend(context, folder, environment, outputs, detach=detach, as_json=as_json)
        change.after = {"run": folder.run_id, "phase": folder.state().phase, "exit_code": int(code)}
        change.outcome = "done" if code is ExitCode.OK else "failed"
    return code


def stop_run(stack: str, run_id: str, *, as_json: bool) -> ExitCode:
    """Ask the living starter, or do its work when it is dead, and wait until the machines have ended."""
    from sophia_infra.training.run_folder import find_run

    console = make_console(stderr=as_json)
    context = open_training_stack(stack)
    folder = find_run(context.home, run_id)
    why = f"sophia train stop {run_id} --stack {stack}"
    with audit_log_of(context.home.root, context.name).change(
        action="train stop", subject=folder.run_id, why=why, before={"phase": folder.state().phase}
    ) as change:
        report = _stop(context, folder, console)
        change.after = {"phase": folder.state().phase}
    if as_json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        show_run(console, report)
    return ExitCode.OK


def _stop(context: StackContext, folder: RunFolder, console: Console) -> RunReport:
    from sophia_infra.training.closing import close_dead_run
    from sophia_infra.training.errors import MachinesRemain, RunHeld
    from sophia_infra.training.opening import open_means
    from sophia_infra.training.reporting import report_run

    folder.ask_to_stop()
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    with RunProgress(console, folder, f"Run {folder.run_id}: stopping") as progress:
        means = open_means(folder, environment=environment_of(context), say=progress.say, with_watchdog=False)
        while folder.state().phase != "ended":
            if not folder.is_held("starter"):
                try:
                    close_dead_run(folder, means, "stopped", "Stopped on request; its starter was dead.")
                except RunHeld:
                    continue
            if time.monotonic() > deadline:
                raise MachinesRemain(
                    f"Run {folder.run_id} has not ended within {_STOP_TIMEOUT_S:.0f} s.",
                    next_step=f"`sophia train status {folder.run_id}`; its watchdog goes on ending it.",
                )
            time.sleep(_REFRESH_S)
    return report_run(folder, means.clock.now())


def sweep_runs(stack: str, *, grace_s: float, dry_run: bool, as_json: bool) -> ExitCode:
    """One pass over the stack's training machines; silent about a stack whose emulator is stopped."""
    from sophia_infra.training.opening import ensure_watchdog, sweeping_means
    from sophia_infra.training.run_folder import list_runs
    from sophia_infra.training.sweeping import SweepReport, sweep

    context = open_training_stack(stack)
    report = SweepReport()
    if not context.emulator_is_stopped:
        environment = environment_of(context)
        console = make_console(stderr=True)
        session = session_of(context)
        report = sweep(
            session,
            context.tag,
            list_runs(context.home),
            sweeping_means(session, context.home, console.print),
            grace_s=grace_s,
            dry_run=dry_run,
            start_watchdog=lambda one: ensure_watchdog(one, environment),
        )
    if as_json:
        print(json.dumps({"dry_run": dry_run, **report.as_json()}, indent=2))
    else:
        show_sweep(make_console(), report, dry_run=dry_run)
    return ExitCode.FINDINGS if report.problems else ExitCode.OK


def _join_outputs(
    context: StackContext, bootstrap: Bootstrap, cluster: str, detach: bool
) -> dict[str, Any] | None:
    """What machines join with, None for those that do not: a secret, given to no other process."""
    from sophia_infra.training.errors import RunRefused

    if bootstrap != "join":
        return None
    if detach:
        raise RunRefused(
            f"{cluster}: a run of bootstrap join is attended by the command itself. Nothing was launched.",
            next_step="leave --detach out, and use tmux or systemd-run for a long one.",
        )
    return join_outputs(context, cluster)


def _attend(
    context: StackContext,
    folder: RunFolder,
    environment: Mapping[str, str],
    outputs: dict[str, Any] | None,
    *,
    detach: bool,
    as_json: bool,
) -> ExitCode:
    from sophia_infra.training.attending import attend
    from sophia_infra.training.errors import TrainingError
    from sophia_infra.training.opening import open_means, start_attending
    from sophia_infra.training.reporting import report_run

    console = make_console(stderr=as_json)
    if detach:
        start_attending(folder, environment)
        report = report_run(folder, now_s_of(context))
        if as_json:
            print(json.dumps(report.as_json(), indent=2))
        else:
            console.print(
                f"Run {folder.run_id} goes on in the background: `sophia train status {folder.run_id}`, "
                f"`sophia train stop {folder.run_id}`."
            )
        return ExitCode.OK
    failure: TrainingError | None = None
    try:
        with RunProgress(console, folder, f"Run {folder.run_id}") as progress:
            join = None if outputs is None else join_means(context, folder, outputs)
            means = open_means(folder, environment=environment, say=progress.say, join=join)
            try:
                attend(folder, means)
            except TrainingError as error:
                if folder.state().phase != "ended":
                    raise
                failure = error
    except KeyboardInterrupt:
        console.print(
            f"Left. The watchdog of run {folder.run_id} (process {folder.holder('watchdog')}) ends its "
            f"machines; `sophia train status {folder.run_id}` shows when they have ended."
        )
        return ExitCode.INTERRUPTED
    report = report_run(folder, means.clock.now())
    if as_json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        show_run(console, report)
    if failure is not None:
        raise failure
    return ExitCode.OK
