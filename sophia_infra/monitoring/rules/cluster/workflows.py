"""Rules about n8n: executions that wait, fail, or are fewer than the plan wants at a time."""

from __future__ import annotations

from typing import Final

from sophia_infra.monitoring.rule import Alert, Recording, RuleGroup
from sophia_infra.monitoring.terms import Terms

__all__ = ["groups"]

_PLANNED_AT_A_TIME: Final = 220
_WAITING: Final = "n8n:executions_waiting:max"
_ACTIVE: Final = "n8n:executions_active:max"
_DONE: Final = "n8n:executions:rate15m"
_FAILED: Final = "n8n:executions_failed:ratio_rate15m"


def groups(terms: Terms) -> list[RuleGroup]:
    """The queue's own figures. Every main counts all of it: the maximum, never the sum."""
    rows = terms.of_kind("n8n")
    if not rows:
        return []
    owner = rows[0].team
    waiting, active = (f"max by (namespace) (n8n_scaling_mode_queue_jobs_{part})" for part in _GAUGES)
    completed, failed = (
        f"max by (namespace) (rate(n8n_scaling_mode_queue_jobs_{part}[15m]))" for part in _COUNTERS
    )
    rules = (
        Recording(_WAITING, waiting),
        Recording(_ACTIVE, active),
        Recording(_DONE, f"{completed} + {failed}"),
        Recording(_FAILED, f"{failed} / ({_DONE} > 0)"),
        Alert(
            "WorkflowsWait",
            f"{_WAITING} > 0",
            for_s=900,
            severity="warning",
            owner=owner,
            summary="{{ $value }} n8n executions wait; for a quarter of an hour some always have.",
            description="All workers are busy or none reads the queue. More n8n-worker pods, or a look at "
            "n8n-redis.",
        ),
        Alert(
            "WorkflowsBelowPlan",
            # Idle is no fault: only while work waits does it matter how much is done at a time.
            f"{_ACTIVE} < {_PLANNED_AT_A_TIME} and on (namespace) {_WAITING} > 0",
            for_s=900,
            severity="warning",
            owner=owner,
            summary=f"{{{{ $value }}}} n8n executions run while others wait; the plan says "
            f"{_PLANNED_AT_A_TIME} at a time.",
            description="A worker runs 10 at a time unless it is started with --concurrency: 220 need 22 of "
            "them, and the row ends at 20.",
        ),
        Alert(
            "WorkflowsFail",
            f"{_FAILED} > 0.2 and on (namespace) {_DONE} > 0.01",
            for_s=900,
            severity="warning",
            owner=owner,
            summary="{{ $value | humanizePercentage }} of the n8n executions fail.",
            description="n8n's list of executions shows the node that fails; often it calls a service.",
        ),
    )
    return [RuleGroup("sophia-workflows", rules)]


_GAUGES: Final = ("waiting", "active")
_COUNTERS: Final = ("completed", "failed")
