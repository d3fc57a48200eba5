"""`sophia train status`, `cost` and `list`: they look, and touch nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.training_cloud import now_s_of, open_training_stack, session_of
from sophia_infra.cli.training_views import show_adopted, show_bill, show_run, show_run_table
from sophia_infra.cli.views import make_console

if TYPE_CHECKING:
    from sophia_infra.provider.run_tags import RunTags

__all__ = ["show_cost", "show_one_click_cluster", "show_runs", "show_status"]


def show_status(stack: str, run_id: str, *, as_json: bool) -> ExitCode:
    """One run, from its record; no request is sent."""
    from sophia_infra.training.reporting import report_run
    from sophia_infra.training.run_folder import find_run

    context = open_training_stack(stack)
    report = report_run(find_run(context.home, run_id), now_s_of(context))
    if as_json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        show_run(make_console(), report)
    return ExitCode.OK


def show_cost(stack: str, run_id: str, *, as_json: bool) -> ExitCode:
    """Minutes and dollars of one run."""
    from sophia_infra.training.reporting import report_run
    from sophia_infra.training.run_folder import find_run

    context = open_training_stack(stack)
    report = report_run(find_run(context.home, run_id), now_s_of(context))
    if as_json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        show_bill(make_console(), report)
    return ExitCode.OK


def show_runs(stack: str, *, as_json: bool) -> ExitCode:
    """All runs of this machine, and machines of runs that are recorded elsewhere."""
    from sophia_infra.provider.run_tags import RunTags
    from sophia_infra.training.machines import find_machines
    from sophia_infra.training.reporting import report_run
    from sophia_infra.training.run_folder import list_runs

    context = open_training_stack(stack)
    now_s = now_s_of(context)
    reports = [report_run(folder, now_s) for folder in list_runs(context.home)]
    reports = [report for report in reports if report.spec.stack == context.tag]
    known = {report.spec.run_id for report in reports}
    elsewhere: list[tuple[RunTags, Any]] = []
    if not context.emulator_is_stopped:
        for row in find_machines(session_of(context).instances.rows(0), context.tag):
            tags = RunTags.of(row.tags)
            if tags is not None and tags.run_id not in known:
                elsewhere.append((tags, row))
    if as_json:
        document = {
            "runs": [report.as_json() for report in reports],
            "elsewhere": [
                {"run": tags.run_id, "node": tags.number, "id": row.id, "deadline_s": tags.deadline_s}
                for tags, row in elsewhere
            ],
        }
        print(json.dumps(document, indent=2))
    else:
        show_run_table(make_console(), reports, elsewhere)
    return ExitCode.OK


def show_one_click_cluster(stack: str, cluster_id: str, *, as_json: bool) -> ExitCode:
    """A 1-Click Cluster by its id: one list request, and no other call exists."""
    from sophia_infra.training.adoption import adopt_cluster

    context = open_training_stack(stack)
    cluster = adopt_cluster(session_of(context).client, cluster_id)
    if as_json:
        print(json.dumps(cluster.as_json(), indent=2))
    else:
        show_adopted(make_console(), cluster)
    return ExitCode.OK
