"""A cost report in the form that was asked for: table, JSON document, or Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from sophia_infra.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from sophia_infra.cost.report import CostReport

__all__ = ["cost_exit_code", "print_cost"]


def cost_exit_code(report: CostReport) -> ExitCode:
    """The first that applies of over budget, over quota, no capacity; OK when none does."""
    if report.is_over_budget:
        return ExitCode.OVER_BUDGET
    if report.over_quota:
        return ExitCode.OVER_QUOTA
    return ExitCode.NO_CAPACITY if report.without_capacity else ExitCode.OK


def print_cost(
    report: CostReport,
    *,
    as_json: bool,
    as_markdown: bool,
    notices: Iterable[str] = (),
    changes: Mapping[str, int] | None = None,
) -> ExitCode:
    """Print `report` on stdout; JSON wins over Markdown. Returns the exit code that it means.

    Args:
        notices: sentences about where the figures come from.
        changes: the engine's own count of resources by operation, for the document.
    """
    code = cost_exit_code(report)
    if as_json:
        import json

        from sophia_infra.cost.document_building import build_document

        document = build_document(report, exit_code=int(code), notices=notices, changes=changes)
        print(json.dumps(document, indent=2))
    elif as_markdown:
        from sophia_infra.cost.markdown import render_markdown

        print(render_markdown(report, notices=notices), end="")
    else:
        from sophia_infra.cli.cost_views import show_cost
        from sophia_infra.cli.views import make_console

        show_cost(make_console(), report, notices)
    return code
