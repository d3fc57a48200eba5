"""Whether a pool gets more nodes, fewer, or stays: from a look and its demand. Pure.

The order of the rules is that of the table in docs/node-scaler.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sophia_infra.scaling.nodes.demand import Demand
from sophia_infra.scaling.nodes.settings import PoolSettings
from sophia_infra.scaling.nodes.viewing import PoolView

__all__ = ["Action", "NodeDecision", "Word", "decide_pool", "enough_nodes"]

Action = Literal["launch", "release", "none"]
Word = Literal[
    "min", "demand", "spare", "surplus", "over_max", "enough", "stale", "cooldown", "stabilizing", "booting"
]


@dataclass(frozen=True, slots=True)
class NodeDecision:
    """What to do with one pool, and why.

    Attributes:
        at_s: seconds since 1970 on the cloud's clock.
        rescue: nodes under drain to take back; before any launch.
        launch: nodes to launch at most; limits of the whole stack are asked at each launch.
        release: nodes to begin to drain.
        wanted: nodes that the pool should have, within its own minimum and maximum.
        counted_on: nodes that take load, or will.
        needed: what the demand asks for, spares included; None when it is not known.
        word: the rule that decided, for metrics.
        reason: one sentence for people.
        limited_by: limits that kept launches back; those of the stack are added by who acts.
    """

    pool: str
    at_s: float
    action: Action
    wanted: int
    counted_on: int
    needed: int | None
    word: Word
    reason: str
    rescue: int = 0
    launch: int = 0
    release: int = 0
    limited_by: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "pool": self.pool,
            "at_s": self.at_s,
            "action": self.action,
            "wanted": self.wanted,
            "counted_on": self.counted_on,
            "needed": self.needed,
            "rescue": self.rescue,
            "launch": self.launch,
            "release": self.release,
            "why": self.word,
            "reason": self.reason,
            "limited_by": list(self.limited_by),
        }


def decide_pool(
    pool: PoolSettings, view: PoolView, demand: Demand, now_s: float, low_since_s: float | None
) -> NodeDecision:
    """One decision.

    Args:
        low_since_s: since when fewer nodes than there are have been enough; None: they are not, or it is
            not known yet.

    Raises:
        SettingsRefused: the calendar of the schedule.
    """
    have = view.counted_on
    floor = min(pool.min_at(now_s), pool.max)
    soon = None if demand.soon is None else demand.soon + pool.warm_spares
    up = min(max(floor, soon or 0), pool.max)
    if have < up:
        missing = up - have
        rescue = min(missing, len(view.draining))
        word: Word = (
            "min"
            if up == floor
            else ("spare" if soon is not None and up > soon - pool.warm_spares else "demand")
        )
        if word == "min":
            reason = f"{floor} nodes at least; {have} are there or coming"
        else:
            reason = f"{demand.words}{_spares(pool)}; {have} are there or coming"
        # What still drains or ends is billed, and counts against the maximum until the list has let it go.
        launch = min(missing - rescue, max(0, pool.max - view.billed))
        return NodeDecision(
            pool.name,
            now_s,
            "launch",
            up,
            have,
            soon,
            word,
            reason,
            rescue=rescue,
            launch=launch,
            limited_by=("max",) if launch < missing - rescue else (),
        )
    if have > pool.max:
        surplus = min(have - pool.max, len(view.ready))
        reason = f"{have} nodes, and no more than {pool.max} are allowed"
        action: Action = "release" if surplus else "none"
        return NodeDecision(
            pool.name, now_s, action, pool.max, have, soon, "over_max", reason, release=surplus
        )
    down = enough_nodes(pool, demand, floor)
    if down is None:
        why = "; ".join(demand.missing)
        return NodeDecision(
            pool.name, now_s, "none", have, have, soon, "stale", f"{why}: nothing is released by that"
        )
    surplus = have - max(down, up)
    if surplus <= 0:
        reason = f"{demand.words or f'{floor} nodes at least'}{_spares(pool)}; {have} are there or coming"
        return NodeDecision(pool.name, now_s, "none", have, have, soon, "enough", reason)
    waits = _waits(pool, view, now_s, low_since_s)
    too_many = f"{surplus} of {have} nodes are not needed"
    if waits is not None:
        word, left_s = waits
        verb = "cooling down" if word == "cooldown" else "waiting"
        reason = f"{too_many}; {verb} for another {left_s / 60:.0f} min"
        return NodeDecision(pool.name, now_s, "none", have, have, soon, word, reason)
    surplus = min(surplus, len(view.ready))
    if not surplus:
        return NodeDecision(
            pool.name, now_s, "none", have, have, soon, "booting", f"{too_many}, and still boot"
        )
    return NodeDecision(
        pool.name, now_s, "release", have - surplus, have, soon, "surplus", too_many, release=surplus
    )


def enough_nodes(pool: PoolSettings, demand: Demand, floor: int) -> int | None:
    """Nodes above which some may be released; None when that is not known.

    A pool without demand follows its minimum. One that lost sight of any of its sources keeps what it has.
    """
    if demand.missing:
        return None
    if demand.later is None:
        return floor
    return max(floor, demand.later + pool.warm_spares)


def _waits(
    pool: PoolSettings, view: PoolView, now_s: float, low_since_s: float | None
) -> tuple[Literal["cooldown", "stabilizing"], float] | None:
    changed_s = view.last_change_s
    if changed_s is not None and (left_s := changed_s + pool.cooldown_s - now_s) > 0:
        # A change in the future was noted before a clock was set back: it holds for one whole cool-down.
        return "cooldown", min(left_s, pool.cooldown_s)
    left_s = (now_s if low_since_s is None else low_since_s) + pool.scale_down_after_s - now_s
    return ("stabilizing", left_s) if left_s > 0 else None


def _spares(pool: PoolSettings) -> str:
    return f" and {pool.warm_spares} spare" if pool.warm_spares else ""
