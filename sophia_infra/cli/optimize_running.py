"""The commands of `sophia optimize`: the engine's answers printed, and turned into exit codes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sophia_infra.cli.confirming import ask
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.optimize_context import Opened, Request, log_path, open_engine
from sophia_infra.cli.optimize_views import show_advice, show_log, show_outcomes, show_recommendation
from sophia_infra.cli.stack_context import StackContext, open_stack
from sophia_infra.cli.views import short_path
from sophia_infra.optimization.action_log import ActionLog
from sophia_infra.optimization.outcome import Outcome

if TYPE_CHECKING:
    from sophia_infra.optimization.advice import Advice

__all__ = ["Request", "run_apply", "run_explain", "run_list", "run_log", "run_undo"]

_BAD = frozenset({"failed", "undone"})
_NOT_YET = frozenset({"waits", "not allowed", "abandoned"})


def run_list(request: Request, *, as_json: bool) -> ExitCode:
    """Advice of this moment. FINDINGS when there is any."""
    context = open_stack(request.stack)
    if context.emulator_is_stopped:
        return _stopped(context, as_json=as_json)
    opened = open_engine(request, context)
    advice = asyncio.run(_advise(opened, request))
    if as_json:
        document = {"stack": context.name, **advice.as_json()}
        document["notes"] = [*opened.notes, *document["notes"]]
        print(json.dumps(document, indent=2))
    else:
        show_advice(context.name, advice, opened.notes)
    return ExitCode.FINDINGS if advice.chosen else ExitCode.OK


def run_explain(request: Request, recommendation_id: str, *, as_json: bool) -> ExitCode:
    """One recommendation, whole. Raises RecommendationMissing."""
    opened = open_engine(request)
    one = asyncio.run(_advise(opened, request)).find(recommendation_id)
    proposed = None if one.can_act else opened.engine.propose(one)
    if as_json:
        print(json.dumps({**one.as_json(), "patch": proposed.patch if proposed else None}, indent=2))
    else:
        show_recommendation(one, proposed)
    return ExitCode.OK


def run_apply(
    request: Request,
    recommendation_id: str | None,
    auto: str | None,
    *,
    dry_run: bool,
    out: Path | None,
    as_json: bool,
) -> ExitCode:
    """Apply, or say what would be done, or write a diff.

    Raises:
        OptimizationError: nothing was done.
    """
    opened = open_engine(request, say=lambda line: print(line, file=sys.stderr))
    engine = opened.engine
    outcomes: tuple[Outcome, ...]
    if auto is not None:
        outcomes = asyncio.run(engine.auto_implement(auto, dry_run=dry_run))
    else:
        one = asyncio.run(_advise(opened, request)).find(str(recommendation_id))
        if not one.can_act:
            outcomes = (engine.propose(one),)
        else:
            outcomes = asyncio.run(engine.implement_optimizations([one], dry_run=dry_run))
    patches = [one.patch for one in outcomes if one.patch]
    if out is not None and patches:
        out.write_text("".join(patches), encoding="utf-8")
    if as_json:
        print(json.dumps([one.as_json() for one in outcomes], indent=2))
    else:
        show_outcomes(outcomes, with_patches=out is None, dry_run=dry_run)
        if out is not None and patches:
            print(f"Written: {short_path(out.absolute())}. It changes the stack file when it is applied.")
    return _code(outcomes)


def run_undo(request: Request, action_id: str, *, yes: bool, as_json: bool) -> ExitCode:
    """Take an action back, after a question where somebody can answer. Raises RecommendationMissing."""
    ActionLog(log_path(open_stack(request.stack)), lambda: 0.0, who="reader").action(action_id)
    if not yes:
        question = f"Undo {action_id}? A machine that is launched again costs money."
        answer = ask(question, nothing="Nothing was undone.")
        if answer is None:
            return ExitCode.USAGE
        if not answer:
            print("Nothing was undone.")
            return ExitCode.OK
    opened = open_engine(request, say=lambda line: print(line, file=sys.stderr))
    outcome = asyncio.run(opened.engine.undo(action_id))
    if as_json:
        print(json.dumps(outcome.as_json(), indent=2))
    else:
        show_outcomes((outcome,), with_patches=False, dry_run=False)
    return ExitCode.OK if outcome.word in ("undone", "abandoned") else ExitCode.FAILED


def run_log(stack: str, *, as_json: bool) -> ExitCode:
    """The log, without asking the cloud. FINDINGS when its chain is broken."""
    context = open_stack(stack)
    log = ActionLog(log_path(context), lambda: 0.0, who="reader")
    problems = log.verify()
    if as_json:
        print(json.dumps({"lines": log.rows(), "problems": problems}, indent=2))
    else:
        show_log(log, problems)
    return ExitCode.FINDINGS if problems else ExitCode.OK


async def _advise(opened: Opened, request: Request) -> Advice:
    if request.prometheus is not None:
        await opened.engine.analyze_usage_patterns()
    return await opened.engine.generate_recommendations()


def _code(outcomes: Sequence[Outcome]) -> ExitCode:
    words = {one.word for one in outcomes}
    if words & _BAD:
        return ExitCode.FAILED
    return ExitCode.FINDINGS if words & _NOT_YET else ExitCode.OK


def _stopped(context: StackContext, *, as_json: bool) -> ExitCode:
    if as_json:
        print(json.dumps({"stack": context.name, "emulator": "stopped", "recommendations": []}))
    else:
        print(f"The emulator of stack {context.name} is stopped, so nothing runs. `sophia up` starts it.")
    return ExitCode.OK
