"""What keeps a figure of a running service from being read.

    MetricsError
    |-- AddressRefused     the address or token given for a source cannot be used; nothing was sent
    `-- SourceError        a source was asked and gave no figure
        |-- Unreachable    it did not answer, or not to the end
        |-- AccessRefused  401 or 403
        |-- QueryFailed    Prometheus refused a query of ours, or could not carry it out
        `-- NotTheSource   something else answers at that address

Each says whose fault it is (`fault`), whether the same call may succeed later (`retry`), and what to do next
(`next_step`). No text holds a token.
"""

from __future__ import annotations

from sophia_infra.model.room_error import Fault, RoomError

__all__ = [
    "AccessRefused",
    "AddressRefused",
    "MetricsError",
    "NotTheSource",
    "QueryFailed",
    "SourceError",
    "Unreachable",
]


class MetricsError(RoomError):
    """Base of the room."""


class AddressRefused(MetricsError):
    """The address or the token of a source has a wrong form."""


class SourceError(MetricsError):
    """A source gave no figure."""

    fault: Fault = "service"
    retry = True


class Unreachable(SourceError):
    """No whole answer came."""


class AccessRefused(SourceError):
    """The source wants a token, or another one."""

    fault = "user"
    retry = False


class QueryFailed(SourceError):
    """Prometheus understood who asks and gives no result; `message` holds its own words.

    A query that it cannot read is our fault and stays unreadable; one that took too long may do later.
    """

    def __init__(self, message: str, *, next_step: str, retry: bool = False) -> None:
        self.retry = retry
        self.fault = "service" if retry else "ours"
        super().__init__(message, next_step=next_step)


class NotTheSource(SourceError):
    """The address belongs to something else."""

    fault = "user"
    retry = False
