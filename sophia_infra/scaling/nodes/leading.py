"""Whether this scaler acts, and since when: its lease, one term after the other."""

from __future__ import annotations

from collections.abc import Callable

from sophia_infra.provider.session import Session
from sophia_infra.scaling.nodes.errors import LeaseLost
from sophia_infra.scaling.nodes.lease import Lease

__all__ = ["Leadership"]


class Leadership:
    """The lease of one scaler, and the term in which it began to act.

    Args:
        session: for its clock, and how long a launch may be missing from the list.
        on_problem: takes one line when the lease is lost between two passes.
    """

    def __init__(self, lease: Lease, session: Session, on_problem: Callable[[str], None]) -> None:
        self._lease = lease
        self._session = session
        self._on_problem = on_problem
        self._term: int | None = None
        self.since_s: float | None = None

    @property
    def holder(self) -> str:
        return self._lease.holder

    def take(self) -> bool:
        """Take or renew the lease for a pass; False while another scaler has it. Raises LeaseLost."""
        if not self._lease.take():
            self._term = None
            return False
        if self._term != self._lease.term:
            self._term = self._lease.term
            self.since_s = self._session.clock.now() if self._term else None
        return True

    def ensure(self) -> None:
        """Return when this scaler may act now, in the term in which its pass began. Raises LeaseLost."""
        self._lease.ensure()
        if self._lease.term != self._term:
            raise LeaseLost(
                "The lease went to another scaler and came back meanwhile.",
                next_step="nothing: the next look begins anew.",
            )

    def renew(self) -> None:
        """Keep the lease between two passes; what is lost there is said and not raised."""
        try:
            self._lease.take()
        except LeaseLost as error:
            self._on_problem(str(error))

    def give_up(self) -> None:
        """Let another one lead at once."""
        self._lease.give_up()

    @property
    def settles(self) -> bool:
        """Whether a launch of the scaler before this one may be missing from the list."""
        since_s = self.since_s
        return since_s is not None and self._session.clock.now() - since_s < self._session.waits.list_lag_s
