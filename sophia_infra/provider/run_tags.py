"""The tags by which a machine tells, to whoever lists it, which run it is of and when it has to end.

They are all that is left when the starter and its disk are gone: the API keeps no launch time and lets no
tag be changed (facts/lambda-cloud.md 1.3, 1.4), so what a machine may cost is written on it at launch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from sophia_infra.provider.tags import LAUNCHED_AT_TAG, NAME_TAG, STACK_TAG, Owner

__all__ = ["RUN_ID", "RunTags", "node_owner", "training_tag"]

_RUN_TAG = "sophia-run"
_NODE_TAG = "sophia-node"
_DEADLINE_TAG = "sophia-deadline"
_MAX_USD_TAG = "sophia-max-usd"

RUN_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_NUMBER = re.compile(r"[1-9][0-9]{0,2}")
_SECONDS = re.compile(r"[0-9]{1,12}")


def training_tag(stack: str) -> str:
    """What the stack tag of every training machine of `stack` ("project/stack") begins with.

    Not the stack's own tag: no state holds these machines, and `sophia doctor` would call them orphans.
    """
    return f"{stack}/training/"


def node_owner(stack: str, run_id: str, number: int) -> Owner:
    """Whose launch a node's is: one machine at most lives for it."""
    return Owner(f"{training_tag(stack)}{run_id}", f"node-{number}")


@dataclass(frozen=True, slots=True)
class RunTags:
    """What a machine of a run says about itself.

    Attributes:
        stack: "project/stack" of the stack that the run is of.
        run_id: up to 63 of a-z, 0-9 and hyphens.
        number: of the node, from 1.
        deadline_s: when it has to end, seconds since 1970 on the cloud's clock.
        max_usd: the run's cap.
        launched_at_s: seconds since 1970; None before the launch.
    """

    stack: str
    run_id: str
    number: int
    deadline_s: int
    max_usd: Decimal
    launched_at_s: int | None = None

    def build(self, max_hours: int) -> dict[str, str]:
        """The tags of a launch, without those by which the provider finds its launch.

        `workload`, `ttl` and `max-usd` are what the policy `training-machine-limits` reads.
        """
        return {
            _RUN_TAG: self.run_id,
            _NODE_TAG: str(self.number),
            _DEADLINE_TAG: str(self.deadline_s),
            _MAX_USD_TAG: f"{self.max_usd:f}",
            "workload": "training",
            "ttl": f"{max_hours}h",
            "max-usd": f"{self.max_usd:f}",
        }

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> RunTags | None:
        """What the tags say; None for a machine that no training run of ours launched.

        All of them have to be there and fit each other: nothing is ended for a tag that somebody else set.
        """
        run_id, number = tags.get(_RUN_TAG, ""), tags.get(_NODE_TAG, "")
        deadline, max_usd = tags.get(_DEADLINE_TAG, ""), tags.get(_MAX_USD_TAG, "")
        if not (RUN_ID.fullmatch(run_id) and _NUMBER.fullmatch(number) and _SECONDS.fullmatch(deadline)):
            return None
        stack, _, named = tags.get(STACK_TAG, "").rpartition("/training/")
        if not stack or named != run_id or tags.get(NAME_TAG) != f"node-{number}":
            return None
        try:
            usd = Decimal(max_usd)
        except InvalidOperation:
            return None
        if not usd.is_finite() or usd <= 0 or not math.isfinite(usd):
            return None
        launched = tags.get(LAUNCHED_AT_TAG, "")
        at_s = int(launched) if _SECONDS.fullmatch(launched) else None
        return cls(stack, run_id, int(number), int(deadline), usd, at_s)
