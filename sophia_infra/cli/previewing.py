"""`sophia preview`, `preview --down`, `up --dry-run`: what would change, and what that costs. Reads only."""

from __future__ import annotations

from collections.abc import Mapping

from sophia_infra.cli.cost_output import print_cost
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.live_prices import ask_cloud, dated_prices
from sophia_infra.cli.progress import UpdateProgress
from sophia_infra.cli.stack_context import StackContext, open_stack
from sophia_infra.cli.surroundings import make_ready
from sophia_infra.cli.update import UpRequest, changes_line, run_verb
from sophia_infra.cli.views import make_console
from sophia_infra.cost.changes import Plan
from sophia_infra.cost.plan_file import plan_of_state, read_plan
from sophia_infra.cost.report import build_report
from sophia_infra.cost.terms import terms_of_stack
from sophia_infra.engine.stack_file import at_phase
from sophia_infra.engine.stacks import export_stack

__all__ = ["run_down_preview", "run_preview"]

_OFFLINE = "Prices are dated because of --offline-prices; capacity was not asked for."


def run_preview(
    request: UpRequest,
    *,
    offline_prices: bool = False,
    as_markdown: bool = False,
    expect_no_changes: bool = False,
) -> ExitCode:
    """Show what `up` would change and what it would cost, by the engine's own preview.

    Args:
        offline_prices: ask no cloud for prices, capacity and what runs; dated prices.
        as_markdown: print a pull request comment.
        expect_no_changes: any change is a finding: the account has drifted, or the file was not applied.

    Returns:
        FINDINGS for an unexpected change; else OVER_BUDGET, OVER_QUOTA, NO_CAPACITY, the first that
        applies; else OK.
    """
    # The progress of the engine must not get into a document.
    console = make_console(stderr=request.as_json or as_markdown)
    context = open_stack(request.stack)
    phase = request.phase or context.prepared.phase
    with UpdateProgress(console, f"Stack {context.name}, phase {phase}: preview") as progress:
        around = make_ready(context, progress, phase=phase, cluster=request.cluster, remember=False)
        prepared = around.prepared
        if phase != prepared.phase:
            prepared = at_phase(prepared, context.home, phase)
        result = run_verb(context, around, "preview", progress, request.options, prepared=prepared)
        plan = read_plan(result.event_log.read_text(encoding="utf-8"))
    if not request.as_json and not as_markdown:
        console.print(changes_line(result.changes, would=True))
    judged = _show(context, plan, phase, request, result.changes, offline_prices, as_markdown)
    changed = result.summary.changed if result.summary else 0
    return ExitCode.FINDINGS if expect_no_changes and changed else judged


def run_down_preview(
    request: UpRequest, *, offline_prices: bool = False, as_markdown: bool = False
) -> ExitCode:
    """Show what `down` would end and save, by the state alone: the engine destroys nothing here."""
    console = make_console(stderr=request.as_json or as_markdown)
    context = open_stack(request.stack)
    with UpdateProgress(console, f"Stack {context.name}: what `down` would end") as progress:
        around = make_ready(context, progress)
        plan = plan_of_state(export_stack(around.engine, context.name, context.home), destroy=True)
    phase = context.prepared.phase
    return _show(context, plan, phase, request, {}, offline_prices, as_markdown)


def _show(
    context: StackContext,
    plan: Plan,
    phase: int,
    request: UpRequest,
    changes: Mapping[str, int],
    offline_prices: bool,
    as_markdown: bool,
) -> ExitCode:
    answer = dated_prices(_OFFLINE) if offline_prices else ask_cloud(context, plan)
    terms = terms_of_stack(context.config, context.name, phase=phase)
    report = build_report(plan, answer.prices, terms, answer.live)
    return print_cost(
        report, as_json=request.as_json, as_markdown=as_markdown, notices=answer.notices, changes=changes
    )
