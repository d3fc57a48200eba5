"""Which sets stay: the newest one of each of the last days, weeks and months that have any. Pure.

Grandfather, father, son: only days with a set count, so a machine that was off for a month loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sophia_infra.backup.manifest import Manifest
from sophia_infra.model.backup import RetentionConfig

__all__ = ["ABANDONED_AFTER_S", "PrunePlan", "plan_prune"]

ABANDONED_AFTER_S = 24 * 3600.0
"""A set without a manifest may be one that is being made: it is left alone for a day."""


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """`keep`: set id -> why. `remove`: ids of whole sets. `abandoned`: ids of sets never finished."""

    keep: Mapping[str, str]
    remove: tuple[str, ...]
    abandoned: tuple[str, ...]


def plan_prune(
    sets: Sequence[Manifest],
    unfinished: Mapping[str, float],
    retention: RetentionConfig,
    now_s: float,
    is_good: Callable[[Manifest], bool],
) -> PrunePlan:
    """What `prune` removes. Whatever the retention says, the newest good set stays.

    Args:
        sets: whole sets, in any order.
        unfinished: set id -> when it was begun, seconds since 1970.
        is_good: whether every part of a set is as it was written; asked from the newest on, until one is.
    """
    # By name, not by `made_at`: a clock that was wrong makes no set older than one that was there before it.
    newest_first = sorted(sets, key=lambda one: one.set_id, reverse=True)
    keep: dict[str, str] = {}
    for count, word, period in (
        (retention.daily, "day", "%Y-%m-%d"),
        (retention.weekly, "week", "%G-W%V"),
        (retention.monthly, "month", "%Y-%m"),
    ):
        seen: list[str] = []
        for one in newest_first:
            name = datetime.fromtimestamp(one.made_at_s, tz=UTC).strftime(period)
            if name in seen:
                continue
            if len(seen) == count:
                break
            seen.append(name)
            keep.setdefault(one.set_id, f"newest of {word} {name}")
    good = next((one for one in newest_first if is_good(one)), None)
    if good is not None:
        keep.setdefault(good.set_id, "newest good one")
    elif newest_first:
        # None is good: what is damaged may still give back a part, so nothing at all is thrown away.
        keep = {one.set_id: "no set is good" for one in newest_first}
    return PrunePlan(
        keep,
        tuple(one.set_id for one in newest_first if one.set_id not in keep),
        tuple(sorted(one for one, begun_s in unfinished.items() if now_s - begun_s > ABANDONED_AFTER_S)),
    )
