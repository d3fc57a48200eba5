"""`sophia train`: what its commands do."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sophia_infra.audit import audit_log_of
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.training_cloud import environment_of, now_s_of, open_training_stack, session_of
from sophia_infra.cli.training_joining import join_means, join_outputs, where_it_can_join
from sophia_infra.cli.training_views import RunProgress, show_plan, show_run, show_sweep
from sophia_infra.cli.views import make_console

if TYPE_CHECKING:
    from rich.console import Console

    from sophia_infra.cli.stack_context import StackContext
    from sophia_infra.model.training import Bootstrap, ClusterConfig
    from sophia_infra.provider.session import Session
    from sophia_infra.training.plan_checks import Limits
    from sophia_infra.training.planning import RunPlan
    from sophia_infra.training.reporting import RunReport
    from sophia_infra.training.run_folder import RunFolder

__all__ = ["RunRequest", "run_training", "stop_run", "sweep_runs"]

POLL_S = 30.0
"""Seconds of the cloud's clock between two looks of starter and watchdog."""

_STOP_TIMEOUT_S = 300.0
_REFRESH_S = 0.2


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What was asked for on the command line, as it was written."""

    stack: str
    workload: str
    nodes: int | None = None
    type_name: str | None = None
    region: str | None = None
    max_usd: str | None = None
    max_hours: int | None = None

    def limits(self) -> Limits:
        """Raises RunRefused for what is no type, region or amount."""
        from sophia_infra.model.catalogue import parse_instance_type, parse_region
        from sophia_infra.model.errors import Refused
        from sophia_infra.model.money import parse_usd
        from sophia_infra.training.errors import RunRefused
        from sophia_infra.training.plan_checks import Limits

        def parsed(option: str, text: str | None, parse: Any) -> Any:
            try:
                return None if text is None else parse(text)
            except Refused as refused:
                raise RunRefused(
                    f"{option} {text!r} {refused.message}. Nothing was launched.",
                    next_step=f"use one of: {refused.allowed}.",
                ) from None

        return Limits(
            self.nodes,
            parsed("--type", self.type_name, parse_instance_type),
            parsed("--region", self.region, parse_region),
            parsed("--max-usd", self.max_usd, lambda text: parse_usd(f"${text.removeprefix('$')}")),
            self.max_hours,
        )


def run_training(request: RunRequest, *, dry_run: bool, detach: bool, yes: bool, as_json: bool) -> ExitCode:
    """Plan, ask, run; or go on with the run of this workload that has not ended."""
    from sophia_infra.training.beginning import begin_run, beginning, find_open_run

    console = make_console(stderr=as_json)
    context = open_training_stack(request.stack)
    environment = environment_of(context)
    limits = request.limits()
    folder = None if dry_run else find_open_run(context.home, context.tag, request.workload)
    if folder is None:
        plan, session = _plan(context, request.workload, limits, environment)
        if dry_run and as_json:
            print(json.dumps(plan.as_json(), indent=2))
            return ExitCode.OK
        show_plan(console, plan)
        if dry_run:
            return ExitCode.OK
        outputs = _join_outputs(context, plan.config.bootstrap, plan.cluster, detach)
        if not _confirmed(context, yes):
            return ExitCode.USAGE
        with beginning(context.home):
            folder = find_open_run(context.home, context.tag, request.workload) or begin_run(
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


def _plan(
    context: StackContext, workload: str, limits: Limits, environment: Mapping[str, str]
) -> tuple[RunPlan, Session]:
    from sophia_infra.components.fleet_props import ssh_key_name
    from sophia_infra.training.errors import RunRefused
    from sophia_infra.training.history import LaunchHistory
    from sophia_infra.training.plan_checks import Market
    from sophia_infra.training.planning import cluster_of_workload, plan_run

    clusters = context.config.training_clusters
    name = cluster_of_workload(clusters, workload)
    config = clusters[name]
    if config.bootstrap == "join":
        config = where_it_can_join(context, name, config)
    missing = [one for one in _needed(config) if one not in environment]
    if missing:
        raise RunRefused(
            f"{name}: {', '.join(missing)} is not set. Nothing was launched.",
            next_step="export it, or take it out of the cluster's settings.",
        )
    ssh = context.config.ssh
    key = None if ssh is None else ssh.existing
    if ssh is not None and ssh.public_key is not None:
        key = ssh_key_name(context.tag, str(ssh.public_key))
    session = session_of(context)
    market = Market(
        types=session.client.list_instance_types(),
        filesystems=session.client.list_filesystems() if config.checkpoints else (),
        ssh_keys=session.client.list_ssh_keys(),
        launches=LaunchHistory.of(context.home).read(),
        now_s=session.clock.now(),
    )
    return plan_run(name, config, limits, market, ssh_key=key, poll_s=POLL_S), session


def _needed(config: ClusterConfig) -> list[str]:
    """Variables that have to be set before anything is launched."""
    return [*config.env, *([config.self_terminate_key_env] if config.self_terminate_key_env else [])]


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


def _confirmed(context: StackContext, yes: bool) -> bool:
    import sys

    if yes or context.config.endpoint == "emulator":
        return True
    if not sys.stdin.isatty():
        print("sophia: nobody can confirm here: pass --yes. Nothing was launched.", file=sys.stderr)
        return False
    return input("Launch it on the real Lambda Cloud? It costs money. [y/N] ").strip().lower() in ("y", "yes")
