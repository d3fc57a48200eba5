"""When a shift of traffic goes on, waits or goes back. Pure: what was seen and when in, the next state out.

    waiting ----> baking (step 0, 1, ...) ----> passed
       |             |
       +-------------+----> rolled_back         aborted: somebody asked for it

A step bakes in one piece: where a measurement is missing, or nobody looked for a while, it begins anew. Time
that nobody watched proves nothing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

__all__ = ["FINAL", "Health", "Progress", "Status", "Timing", "Verdict", "next_progress"]

Health = Literal["healthy", "failing", "unknown"]
Status = Literal["waiting", "baking", "passed", "rolled_back", "aborted"]

FINAL: Final[frozenset[Status]] = frozenset(("passed", "rolled_back", "aborted"))
"""States that nothing but a new start leaves."""

_SHOWN_CHARACTERS: Final = 400


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gates say together, and why, in a sentence."""

    health: Health
    why: str


@dataclass(frozen=True, slots=True)
class Timing:
    """Limits in seconds.

    Attributes:
        bake_s: how long each step stays healthy before the next.
        no_data_s: how long a step may stay unmeasured before the traffic goes back.
        ready_s: how long the new side may take until it is healthy without traffic.
        unwatched_s: the longest gap between two looks that still counts as watching.
    """

    bake_s: float
    no_data_s: float
    ready_s: float
    unwatched_s: float


@dataclass(frozen=True, slots=True)
class Progress:
    """One shift as it stands. Times are seconds since 1970.

    Attributes:
        candidate: what gets the traffic: an image, or a place.
        weights: percent of each step, rising to 100.
        step: index into `weights`; -1 before the first.
        since_s: since when this step has been healthy in one piece; while waiting, since when it waits.
        looked_s: the last look; also the heartbeat of `holder`.
        unknown_s: since when there has been no measurement; None when there is one.
        holder: which process looks; empty for none.
        why: the last reason, in a sentence.
    """

    candidate: str
    weights: tuple[int, ...]
    status: Status = "waiting"
    step: int = -1
    since_s: float = 0.0
    looked_s: float = 0.0
    unknown_s: float | None = None
    holder: str = ""
    why: str = ""

    @property
    def weight(self) -> int:
        """Percent of the traffic for the new side: one of `weights`, or 0."""
        if self.status in ("waiting", "rolled_back", "aborted"):
            return 0
        return self.weights[self.step]

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "weights": list(self.weights), "weight": self.weight}

    def as_text(self) -> str:
        """One line of JSON, for an annotation."""
        return json.dumps(self.as_json(), separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Progress:
        """What `as_text` wrote. Raises ValueError for anything else."""
        try:
            fields = json.loads(text)
            weight = fields.pop("weight")
            progress = cls(**{**fields, "weights": tuple(fields["weights"])})
            is_whole = progress.weight == weight and -1 <= progress.step < len(progress.weights)
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            raise ValueError("is no state of a shift") from error
        if not is_whole:
            raise ValueError("is a state that contradicts itself")
        return progress

    def aborted(self, why: str, now_s: float) -> Progress:
        """All traffic back, because somebody said so."""
        return replace(self, status="aborted", why=why, looked_s=now_s, holder="")


def next_progress(progress: Progress, verdict: Verdict, now_s: float, timing: Timing) -> Progress:
    """The state after a look at `now_s`; a final one stays as it is."""
    if progress.is_final:
        return progress
    # A clock that jumped back watched nothing either.
    watched = 0 <= now_s - progress.looked_s <= timing.unwatched_s
    seen = replace(progress, looked_s=now_s, why=verdict.why[:_SHOWN_CHARACTERS])
    if progress.status == "waiting":
        return _waiting(seen, verdict, now_s, timing)
    if verdict.health == "failing":
        return replace(seen, status="rolled_back", unknown_s=None)
    if verdict.health == "unknown":
        since_s = now_s if progress.unknown_s is None or not watched else progress.unknown_s
        if now_s - since_s >= timing.no_data_s:
            return replace(seen, status="rolled_back", why=f"no data is not healthy: {seen.why}")
        return replace(seen, unknown_s=since_s, since_s=now_s)
    if progress.unknown_s is not None or not watched:
        return replace(seen, unknown_s=None, since_s=now_s)
    if now_s - progress.since_s < timing.bake_s:
        return seen
    if progress.step + 1 == len(progress.weights):
        return replace(seen, status="passed")
    return replace(seen, step=progress.step + 1, since_s=now_s)


def _waiting(seen: Progress, verdict: Verdict, now_s: float, timing: Timing) -> Progress:
    """Failing is the ordinary state of pods that start: only time decides."""
    if verdict.health == "healthy":
        return replace(seen, status="baking", step=0, since_s=now_s)
    if now_s - seen.since_s >= timing.ready_s:
        return replace(seen, status="rolled_back", why=f"never became ready: {seen.why}"[:_SHOWN_CHARACTERS])
    return seen
