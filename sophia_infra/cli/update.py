"""`sophia up` and `down`: the engine's verbs with the stack's cloud around them; `preview` is apart."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console

from sophia_infra.cli.auditing import audited_update, record_fleet
from sophia_infra.cli.comparison import compare
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.inference_view import inference_document, show_inference
from sophia_infra.cli.kubernetes_view import kubernetes_document, look_at_clusters, show_kubernetes
from sophia_infra.cli.progress import UpdateProgress
from sophia_infra.cli.stack_context import StackContext, open_stack
from sophia_infra.cli.surroundings import Surroundings, make_ready, stop_surroundings
from sophia_infra.cli.views import make_console, show_findings, show_fleet
from sophia_infra.engine.cancellation import Cancellation
from sophia_infra.engine.errors import ConfigRefused, StackLocked
from sophia_infra.engine.locate import Engine
from sophia_infra.engine.run import OperationOptions, OperationResult, Verb, run_operation
from sophia_infra.engine.stack_file import PreparedStack
from sophia_infra.engine.stacks import unlock_if_dead
from sophia_infra.model.money import format_usd
from sophia_infra.model.scaled_tags import is_scaled
from sophia_infra.operations.doctor import Finding, FindingKind
from sophia_infra.operations.fleet_status import FleetStatus, build_fleet_status
from sophia_infra.provider.clustered_machines import machines_of_clusters
from sophia_infra.provider.matching import LIVE_STATUSES, is_billed
from sophia_infra.provider.run_tags import RunTags
from sophia_infra.provider.serving import STOP_FILE_VARIABLE
from sophia_infra.provider.tags import STACK_TAG
from sophia_infra.rollout.versions import record_version

__all__ = ["UpRequest", "changes_line", "run_down", "run_up", "run_verb"]


@dataclass(frozen=True, slots=True)
class UpRequest:
    """What was asked for on the command line."""

    stack: str
    phase: int | None = None
    refresh: bool = False
    as_json: bool = False
    policy_packs: tuple[Path, ...] = ()
    policy_pack_configs: tuple[Path, ...] = ()
    cluster: bool | None = None

    @property
    def command(self) -> str:
        """The command line that asks for this, as the audit log has it."""
        phase = f" --phase {self.phase}" if self.phase else ""
        return f"sophia up --stack {self.stack}{phase}{' --refresh' if self.refresh else ''}"

    @property
    def options(self) -> OperationOptions:
        """What the engine gets of it, for `preview` and `up` alike."""
        return OperationOptions(
            refresh=self.refresh,
            policy_packs=self.policy_packs,
            policy_pack_configs=self.policy_pack_configs,
        )


def run_up(request: UpRequest) -> ExitCode:
    """Bring the stack up, then show what runs and what it costs."""
    started_s = time.monotonic()
    console = make_console(stderr=request.as_json)
    context = open_stack(request.stack, phase=request.phase)
    with UpdateProgress(console, f"Stack {context.name}, phase {context.prepared.phase}: up") as progress:
        around = make_ready(context, progress, cluster=request.cluster)
        engine = around.engine
        if request.policy_packs:
            # The engine judges a whole stack last, when machines would run already: so judge before.
            run_verb(context, around, "preview", progress, request.options)
        machines = context.open_session(engine).instances.rows(0)
        # What `sophia rollback` brings back word for word; before the update, so that a full disk stops it.
        record_version(context.home.root, context.name, context.home.checkout)
        with audited_update(context, "up", request.command, machines) as change:
            result = run_verb(context, around, "up", progress, request.options)
            progress.say("comparing state and account")
            status, findings, interrupted = _look(context, engine)
            record_fleet(change, context.prepared.phase, status)
        if interrupted:
            # Their machines were looked for by tag, so the engine need not warn of them for ever.
            clear = OperationOptions(clear_pending_creates=True)
            run_verb(context, around, "refresh", progress, clear)
            status, findings, _ = _look(context, engine)
        clusters = look_at_clusters(context.home, around.kubernetes)
    duration_s = time.monotonic() - started_s
    if request.as_json:
        document = _up_document(context, result, status, findings)
        document["kubernetes"] = kubernetes_document(context.home, context.name, around.kubernetes, clusters)
        document["inference"] = inference_document(context)
        print(json.dumps(document, indent=2))
    else:
        _say_result(console, context, result, around, duration_s)
        show_fleet(
            console,
            f"Stack {context.name}, phase {context.prepared.phase}",
            status,
            context.budget_usd_per_hour,
        )
        show_kubernetes(console, context.home, context.name, around.kubernetes, clusters)
        show_inference(console, context)
        if findings:
            show_findings(console, context.name, findings)
        elif context.name == "local":
            console.print(
                "Next: `sophia status`, `sophia preview`, `sophia inference usage`; `sophia down` ends it."
            )
    needs_hand = any(finding.kind in (FindingKind.ORPHAN, FindingKind.DUPLICATE) for finding in findings)
    return ExitCode.FINDINGS if needs_hand else ExitCode.OK


def run_down(stack: str, *, keep_emulator: bool, as_json: bool) -> ExitCode:
    """Destroy what the stack made, show that nothing is billed, stop the emulator."""
    console = make_console(stderr=as_json)
    context = open_stack(stack)
    _refuse_beside_others(context)
    with UpdateProgress(console, f"Stack {context.name}: down") as progress:
        around = make_ready(context, progress)
        machines = context.open_session(around.engine).instances.rows(0)
        with audited_update(context, "down", f"sophia down --stack {stack}", machines) as change:
            result = run_verb(context, around, "destroy", progress, OperationOptions())
            status, findings, _ = _look(context, around.engine)
            record_fleet(change, context.prepared.phase, status)
    running = [row for row in status.rows if row.usd_per_hour]
    stopped = (
        context.config.endpoint == "emulator"
        and not keep_emulator
        and not running
        and stop_surroundings(context.home)
    )
    if as_json:
        document = {
            "stack": context.name,
            "changes": dict(result.changes),
            "usd_per_hour": str(status.usd_per_hour),
        }
        print(json.dumps(document, indent=2))
        return ExitCode.FINDINGS if running else ExitCode.OK
    console.print(changes_line(result.changes, would=False))
    if running:
        show_fleet(console, "Still running", status, context.budget_usd_per_hour)
        show_findings(console, context.name, findings)
        return ExitCode.FINDINGS
    console.print(
        "Nothing of this stack runs; it costs $0.00/h." + (" The emulator was stopped." if stopped else "")
    )
    return ExitCode.OK


def _refuse_beside_others(context: StackContext) -> None:
    """No state holds machines of node scaler and training runs: the engine would leave them, billed."""
    if context.emulator_is_stopped:
        return
    session = context.open_session()
    scaled = [
        machine
        for machine in session.instances.rows(0)
        if machine.status in LIVE_STATUSES
        and machine.tags.get(STACK_TAG) == context.tag
        and is_scaled(machine.tags)
    ]
    if scaled:
        rate = sum((machine.instance_type.usd_per_hour for machine in scaled), Decimal(0))
        raise ConfigRefused(
            f"{len(scaled)} machines of the node scaler run, at {format_usd(rate)}/h, in no state.",
            next_step=f"`sophia scaler run --stack {context.name} --empty --apply` ends them; run this then.",
            verb="down",
            stack=context.name,
        )
    runs = {
        run.run_id
        for machine in session.instances.rows(session.waits.refresh_s)
        if is_billed(machine) and (run := RunTags.of(machine.tags)) and run.stack == context.tag
    }
    if runs:
        stops = "; ".join(f"`sophia train stop {run} --stack {context.name}`" for run in sorted(runs))
        raise ConfigRefused(
            f"{len(runs)} training runs of the stack have machines, with its key and filesystems.",
            next_step=f"wait for their end, or {stops}; run this then.",
            verb="down",
            stack=context.name,
        )


def run_verb(
    context: StackContext,
    around: Surroundings,
    verb: Verb,
    progress: UpdateProgress,
    options: OperationOptions,
    *,
    prepared: PreparedStack | None = None,
) -> OperationResult:
    """Run `verb` with the stack's cloud around it; a dead process's lock goes. Raises as run_operation.

    Args:
        prepared: another stack file than the surroundings', for a preview of another phase.
    """
    stop_file = context.home.root / f"stop-{os.getpid()}"
    environment = {
        **context.cloud_variables(),
        **around.environment,
        STOP_FILE_VARIABLE: str(stop_file),
    }

    def attempt() -> OperationResult:
        try:
            return run_operation(
                around.engine,
                verb,
                prepared or around.prepared,
                context.home,
                options=options,
                on_event=progress.on_event,
                cancellation=Cancellation(on_first_request=stop_file.touch),
                extra_environment=environment,
            )
        finally:
            stop_file.unlink(missing_ok=True)

    try:
        return attempt()
    except StackLocked:
        # A lock whose process is dead keeps everybody out for ever; one that lives raises again here.
        unlock_if_dead(around.engine, context.name, context.home)
        return attempt()


def _look(context: StackContext, engine: Engine) -> tuple[FleetStatus, list[Finding], bool]:
    """What runs, what is wrong with it, and whether the state lists creates that were interrupted."""
    session = context.open_session(engine)
    found = compare(context, engine, session)
    inside = machines_of_clusters(session.client, context.config.one_click_ids)
    wanted, machines, now_s = context.instances, found.machines, found.now_s
    status = build_fleet_status(context.tag, wanted, machines, now_s, clustered=inside)
    return status, found.findings, found.was_interrupted


def _say_result(
    console: Console,
    context: StackContext,
    result: OperationResult,
    around: Surroundings,
    duration_s: float,
) -> None:
    for note in around.notes:
        console.print(note, soft_wrap=True)
    where = "the emulator" if context.config.endpoint == "emulator" else "Lambda Cloud"
    console.print(
        f"{changes_line(result.changes, would=False)} In {duration_s:.0f} s on {where}, "
        f"engine Pulumi {around.engine.version} ({around.engine.origin})."
    )
    if context.prepared.phase_source == "remembered":
        console.print(
            f"Phase {context.prepared.phase} was asked for in an earlier run; `--phase` changes it."
        )
    for warning in context.config.warnings:
        console.print(f"warning: {warning}", soft_wrap=True)
    console.print()


def changes_line(changes: Mapping[str, int], *, would: bool) -> str:
    """`Done: 5 created, 1 updated.`, or what would be."""
    names = {
        "create": "created",
        "update": "updated",
        "delete": "deleted",
        "replace": "replaced",
        "same": "unchanged",
    }
    parts = [f"{changes[op]} {word}" for op, word in names.items() if changes.get(op)]
    if not any(changes.get(op) for op in names if op != "same"):
        return f"No changes ({changes.get('same', 0)} unchanged)."
    return f"{'Would be' if would else 'Done'}: {', '.join(parts)}."


def _up_document(
    context: StackContext, result: OperationResult, status: FleetStatus, findings: Sequence[Finding]
) -> dict[str, Any]:
    return {
        "stack": context.name,
        "phase": context.prepared.phase,
        "changes": dict(result.changes),
        "machines": [row.as_json() for row in status.rows],
        "usd_per_hour": str(status.usd_per_hour),
        "usd_per_month_720h": str(status.usd_per_month),
        "findings": [finding.as_json() for finding in findings],
    }
