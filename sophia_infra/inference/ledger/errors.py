"""What can go wrong with the ledger, below the tree of `sophia_infra.inference.errors`.

    InferenceError
    ├── LedgerUnavailable    not written: unreachable, locked or full            operator  retry
    ├── LedgerAddressWrong   the URL cannot be right, or its driver is missing   operator
    ├── LedgerTooNew         the tables are of a newer sophia-infra              operator
    ├── EntryRefused         an amount or a name that the tables cannot hold     caller
    └── RequestTaken         another call had this request id                    caller

No message holds a URL, which may hold a password.
"""

from __future__ import annotations

from sophia_infra.inference.errors import InferenceError, LedgerUnavailable

__all__ = ["EntryRefused", "LedgerAddressWrong", "LedgerTooNew", "LedgerUnavailable", "RequestTaken"]


class LedgerAddressWrong(InferenceError):
    """The URL cannot be right, or the driver that it needs is not installed."""

    fault = "operator"
    status = 500
    code = "ledger_address_wrong"
    next_step = (
        "Give sqlite:////absolute/file.db or postgresql+psycopg://user:password@host/database in the "
        "variable that sophia:gateway.ledger_url_env names."
    )


class LedgerTooNew(InferenceError):
    """The tables were made by a newer sophia-infra. Nothing was changed."""

    fault = "operator"
    status = 500
    code = "ledger_too_new"
    next_step = "Install the sophia-infra that made them, or a newer one."


class EntryRefused(InferenceError):
    """The values cannot be written exactly. Nothing was."""

    code = "entry_refused"
    next_step = "Correct the value; a ledger that rounds or cuts would be wrong."


class RequestTaken(InferenceError):
    """The request id is that of another call, open or done. Nothing was set aside."""

    status = 409
    code = "request_taken"
    next_step = "Send the call with a request id of its own."
