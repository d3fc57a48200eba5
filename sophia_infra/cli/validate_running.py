"""What `sophia validate` does: gather, measure, show, record the gate."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.validation.catalogue import chosen
from sophia_infra.validation.files import check_output, write_whole
from sophia_infra.validation.report import Report

__all__ = ["ValidateRequest", "run_list", "run_validate"]


@dataclass(frozen=True, slots=True)
class ValidateRequest:
    """What was asked for on the command line."""

    stack: str
    phase: int | None = None
    ids: tuple[str, ...] = ()
    strict: bool = False
    prometheus: str | None = None
    gateway: str | None = None
    markdown: Path | None = None
    as_json: bool = False


def run_validate(request: ValidateRequest) -> ExitCode:
    """Measure, show, and record a whole gate for those who ask for it later (`sophia promote`).

    Returns:
        FINDINGS when a criterion fails, with `strict` also when one is unknown; else CLOUD when a source of
        the stack did not answer; else OK.

    Raises:
        CriterionUnknown: before anybody is asked.
        PhaseNotReached: the stack is in an earlier phase than its gate.
    """
    from sophia_infra.cli.stack_context import open_stack
    from sophia_infra.cli.validate_world import gather_world
    from sophia_infra.validation.errors import PhaseNotReached
    from sophia_infra.validation.gate_record import write_gate
    from sophia_infra.validation.report import validate

    criteria = chosen(request.ids, request.phase)
    if request.markdown is not None:
        check_output(request.markdown)
    context = open_stack(request.stack)
    if request.phase is not None and context.prepared.phase < request.phase:
        raise PhaseNotReached(context.name, context.prepared.phase, request.phase)
    world = gather_world(context, prometheus=request.prometheus, gateway=request.gateway)
    early = bool(request.ids)
    report = validate(world, criteria, gate=request.phase, strict=request.strict, early=early)
    if request.phase is not None and not request.ids:
        text = context.prepared.config_file.read_text(encoding="utf-8")
        write_gate(context.home.root, report, text)
    _show(report, request)
    if report.failed:
        return ExitCode.FINDINGS
    return ExitCode.CLOUD if report.trouble else ExitCode.OK


def run_list(ids: tuple[str, ...], phase: int | None, *, as_json: bool) -> ExitCode:
    """Name the criteria; nobody is asked."""
    from sophia_infra.cli.validate_views import show_criteria
    from sophia_infra.cli.views import make_console

    found = chosen(ids, phase)
    if as_json:
        print(json.dumps([row.as_json() for row in found], indent=2))
    else:
        show_criteria(make_console(), found)
    return ExitCode.OK


def _show(report: Report, request: ValidateRequest) -> None:
    if request.markdown is not None:
        from sophia_infra.validation.markdown import render_markdown

        write_whole(request.markdown, render_markdown(report))
    if request.as_json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        from sophia_infra.cli.validate_views import show_report
        from sophia_infra.cli.views import make_console

        show_report(make_console(), report)
        if request.markdown is not None:
            print(f"Written: {request.markdown}")
    sys.stdout.flush()
    for line in report.trouble:
        print(f"sophia: {line}", file=sys.stderr)
