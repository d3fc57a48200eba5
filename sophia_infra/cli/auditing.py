"""`up` and `down` in the audit log of their stack: what ran before and after, and what that costs a month."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sophia_infra.audit import Change, audit_log_of
from sophia_infra.model.money import HOURS_PER_MONTH
from sophia_infra.provider.matching import LIVE_STATUSES
from sophia_infra.provider.tags import STACK_TAG

if TYPE_CHECKING:
    from sophia_infra.cli.stack_context import StackContext
    from sophia_infra.lambda_cloud import Instance
    from sophia_infra.operations.fleet_status import FleetStatus

__all__ = ["audited_update", "record_fleet"]


@contextmanager
def audited_update(
    context: StackContext, action: str, why: str, machines: Iterable[Instance]
) -> Iterator[Change]:
    """Record an update of the stack from before its first request to its end.

    Args:
        machines: of the account, as they are now.

    Raises:
        AuditUnavailable: before the block: nothing was changed.
    """
    running = [
        one for one in machines if one.tags.get(STACK_TAG) == context.tag and one.status in LIVE_STATUSES
    ]
    rate = sum((one.instance_type.usd_per_hour for one in running), Decimal(0))
    log = audit_log_of(context.home.root, context.name)
    before = _summary(context.prepared.phase, len(running), rate)
    with log.change(action=action, subject=f"stack {context.name}", why=why, before=before) as change:
        yield change


def record_fleet(change: Change, phase: int, status: FleetStatus) -> None:
    """What runs now, and the difference in dollars to what ran before."""
    running = [row for row in status.rows if row.usd_per_hour]
    change.after = _summary(phase, len(running), status.usd_per_hour)
    difference = status.usd_per_hour - Decimal(change.before["usd_per_hour"])
    change.usd_per_month_change = difference * HOURS_PER_MONTH


def _summary(phase: int, machines: int, usd_per_hour: Decimal) -> dict[str, Any]:
    return {"phase": phase, "machines": machines, "usd_per_hour": str(usd_per_hour)}
