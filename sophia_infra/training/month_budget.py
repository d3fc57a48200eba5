"""Whether the cap of a new run fits into what the stack's budget of this month leaves.

Asked only of a stack whose budget includes training. Counted so that nothing is counted too low: the fleet as
if all of it ran all month, a run that has not ended with its whole cap, and one that ended in this month, or
began in it, with its whole bill.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from sophia_infra.engine.home import Home
from sophia_infra.lambda_cloud import Instance
from sophia_infra.model.money import format_usd
from sophia_infra.provider.run_tags import RunTags
from sophia_infra.training.errors import CapRefused
from sophia_infra.training.run_folder import list_runs
from sophia_infra.training.run_spec import RunSpec
from sophia_infra.training.run_state import RunState

__all__ = ["MonthBudget", "usd_of_runs"]


@dataclass(frozen=True, slots=True)
class MonthBudget:
    """Dollars of one month of 720 h.

    Attributes:
        limit_usd: of the stack.
        fleet_usd: of its machines.
        runs_usd: of its training runs, see `usd_of_runs`.
    """

    limit_usd: Decimal
    fleet_usd: Decimal
    runs_usd: Decimal

    @property
    def left_usd(self) -> Decimal:
        """What a new run may cost; 0 when nothing is left."""
        return max(Decimal(0), self.limit_usd - self.fleet_usd - self.runs_usd)

    def check(self, cluster: str, max_usd: Decimal) -> None:
        """Raises CapRefused for a cap above what is left."""
        if max_usd <= self.left_usd:
            return
        raise CapRefused(
            f"{cluster}: its cap of {format_usd(max_usd)} is above the {format_usd(self.left_usd)} that are "
            f"left of this month's {format_usd(self.limit_usd)}: the fleet takes "
            f"{format_usd(self.fleet_usd)}, other runs {format_usd(self.runs_usd)}. Nothing was launched.",
            next_step="lower --max-usd, end a run, or raise sophia:budget.limit, where it is reviewed.",
        )


def usd_of_runs(home: Home, machines: Iterable[Instance], stack: str, now_s: float) -> Decimal:
    """Dollars that the runs of a stack take of this month (UTC), those of others as far as machines tell.

    Args:
        home: with the records of this machine.
        machines: the account's list: a run that is recorded elsewhere shows its cap in the tags.
        stack: "project/stack".
        now_s: seconds since 1970 on the cloud's clock.

    Raises:
        RecordUnusable: nobody knows what that run costs.
    """
    usd, recorded = Decimal(0), set()
    for folder in list_runs(home):
        spec, state = folder.spec(), folder.state()
        if spec.stack == stack:
            recorded.add(spec.run_id)
            usd += _usd_in_month(spec, state, now_s)
    elsewhere = {
        tags.run_id: tags.max_usd
        for one in machines
        if (tags := RunTags.of(one.tags)) is not None and tags.stack == stack
    }
    return usd + sum((cap for run_id, cap in elsewhere.items() if run_id not in recorded), Decimal(0))


def _usd_in_month(spec: RunSpec, state: RunState, now_s: float) -> Decimal:
    if state.phase != "ended":
        return spec.max_usd
    ended_s = spec.began_s if state.ended_at_s is None else state.ended_at_s
    is_of_month = _month(now_s) in (_month(spec.began_s), _month(ended_s))
    return state.usd(now_s) if is_of_month else Decimal(0)


def _month(at_s: float) -> tuple[int, int]:
    at = datetime.fromtimestamp(at_s, tz=UTC)
    return at.year, at.month
