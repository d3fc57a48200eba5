"""Who changed what, when, why and for how many dollars: append-only lines, each chained to the one before.

    log = audit_log_of(context.home.root, context.name)
    with log.change(action="backup restore", subject="database ledger", why="drill of the week") as change:
        ...                                   # `begun` is on the disk before this runs
        change.after = {"rows": 1200}         # recorded with `done`; an error records `failed`

One file per stack, `<home>/audit/stacks/<stack>.jsonl`. What looks like a secret is left out.
"""

from sophia_infra.audit.actor import WHY_VARIABLE, who_acts, why_acts
from sophia_infra.audit.entry import AuditEntry, Outcome
from sophia_infra.audit.errors import AuditError, AuditUnavailable
from sophia_infra.audit.log import AuditLog, Change, audit_log_of

__all__ = [
    "WHY_VARIABLE",
    "AuditEntry",
    "AuditError",
    "AuditLog",
    "AuditUnavailable",
    "Change",
    "Outcome",
    "audit_log_of",
    "who_acts",
    "why_acts",
]
