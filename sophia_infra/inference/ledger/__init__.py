"""The books of the gateway: what was set aside and what was spent, each request once, never over a budget.

`open_ledger` for threads, `AsyncLedger` around it for an event loop, `usage_report` to read.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sophia_infra.inference.ledger.auditing import Difference, audit
    from sophia_infra.inference.ledger.errors import (
        EntryRefused,
        LedgerAddressWrong,
        LedgerTooNew,
        LedgerUnavailable,
        RequestTaken,
    )
    from sophia_infra.inference.ledger.reports import (
        ReportBy,
        UsageReport,
        UsageRow,
        usage_report,
    )
    from sophia_infra.inference.ledger.snowflake import SnowflakeCopy, copy_to_snowflake
    from sophia_infra.inference.ledger.store import Ledger, open_ledger
    from sophia_infra.inference.ledger.writing import AsyncLedger

__all__ = [
    "AsyncLedger",
    "Difference",
    "EntryRefused",
    "Ledger",
    "LedgerAddressWrong",
    "LedgerTooNew",
    "LedgerUnavailable",
    "ReportBy",
    "RequestTaken",
    "SnowflakeCopy",
    "UsageReport",
    "UsageRow",
    "audit",
    "copy_to_snowflake",
    "open_ledger",
    "usage_report",
]

# Loaded when asked for: a report needs no event loop, and nobody but the copy needs Snowflake.
_MODULES = {
    "AsyncLedger": "writing",
    "Difference": "auditing",
    "EntryRefused": "errors",
    "Ledger": "store",
    "LedgerAddressWrong": "errors",
    "LedgerTooNew": "errors",
    "LedgerUnavailable": "errors",
    "ReportBy": "reports",
    "RequestTaken": "errors",
    "SnowflakeCopy": "snowflake",
    "UsageReport": "reports",
    "UsageRow": "reports",
    "audit": "auditing",
    "copy_to_snowflake": "snowflake",
    "open_ledger": "store",
    "usage_report": "reports",
}


def __getattr__(name: str) -> Any:
    try:
        module = import_module(f"{__name__}.{_MODULES[name]}")
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(module, name)
