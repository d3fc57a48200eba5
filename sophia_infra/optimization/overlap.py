"""Savings that overlap are counted once. Pure.

Two recommendations about one machine exclude each other: only the larger one counts. So do one that needs a
machine to stay as it is and one that takes that machine away. The saving of any set is the sum over things
of the largest saving on each, and never more than the thing costs: so it is never above the sum of its
parts, and never above the run rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sophia_infra.model.money import format_usd
from sophia_infra.optimization.errors import OverlapClaimed
from sophia_infra.optimization.recommendation import NOTHING, RISKS, Recommendation, Saving

__all__ = ["Choice", "check_claim", "choose", "conflict", "savings_of"]

_EXACT: Final = 16
"""Recommendations that hang together up to which the best set is searched for; a larger group is greedy."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A set that fits together, and what was left out for it: recommendation and the one that excludes it."""

    chosen: tuple[Recommendation, ...]
    excluded: tuple[tuple[Recommendation, Recommendation], ...]


def conflict(one: Recommendation, other: Recommendation) -> bool:
    """Whether only one of the two can be followed."""
    mine, theirs = set(one.savings), set(other.savings)
    return bool(mine & theirs or mine & other.keeps or theirs & one.keeps)


def choose(recommendations: Iterable[Recommendation]) -> Choice:
    """The set with the largest expected saving; of equal ones the less risky."""
    rest = sorted(recommendations, key=_order)
    chosen: list[Recommendation] = []
    for group in _groups(rest):
        chosen += _best(group) if len(group) <= _EXACT else _greedy(group)
    chosen.sort(key=_order)
    taken = {one.id for one in chosen}
    excluded = tuple(
        (one, next(other for other in chosen if conflict(one, other))) for one in rest if one.id not in taken
    )
    return Choice(tuple(chosen), excluded)


def savings_of(recommendations: Iterable[Recommendation], worth: Mapping[str, Decimal]) -> Saving:
    """What following all of them saves, each thing counted once.

    Args:
        worth: what each thing costs a month; one that is not in it saves nothing.
    """
    largest: dict[str, Saving] = {}
    for one in recommendations:
        for key, saving in one.savings.items():
            largest[key] = largest.get(key, NOTHING).largest(saving)
    total = NOTHING
    for key, saving in largest.items():
        total += saving.at_most(worth.get(key, Decimal(0)))
    return total


def check_claim(
    claimed_usd: Decimal, recommendations: Sequence[Recommendation], worth: Mapping[str, Decimal]
) -> None:
    """Refuse a sum that counts something twice.

    Raises:
        OverlapClaimed: more was claimed than these recommendations save together.
    """
    most = savings_of(recommendations, worth).high
    if claimed_usd > most:
        raise OverlapClaimed(
            f"{format_usd(claimed_usd)} a month was claimed, and these {len(recommendations)} "
            f"recommendations save {format_usd(most)} at most: some are about the same machines.",
            next_step="count each machine once, with the larger of its savings.",
        )


def _order(one: Recommendation) -> tuple[Decimal, int, str]:
    return (-one.saving.expected, RISKS.index(one.risk), one.id)


def _groups(recommendations: Sequence[Recommendation]) -> list[list[Recommendation]]:
    """Those that hang together by conflicts, in the order given."""
    groups: list[list[Recommendation]] = []
    for one in recommendations:
        touching = [group for group in groups if any(conflict(one, other) for other in group)]
        merged = [one]
        for group in touching:
            groups.remove(group)
            merged += group
        groups.append(sorted(merged, key=_order))
    return groups


def _best(group: Sequence[Recommendation]) -> list[Recommendation]:
    """All sets without conflicts, looked through by whether the first one is in it."""
    if not group:
        return []
    first, rest = group[0], group[1:]
    with_first = [first, *_best([one for one in rest if not conflict(first, one)])]
    if len(with_first) == len(group):
        return with_first
    without = _best(rest)
    return without if _worth(without) > _worth(with_first) else with_first


def _greedy(group: Sequence[Recommendation]) -> list[Recommendation]:
    taken: list[Recommendation] = []
    for one in group:
        if not any(conflict(one, other) for other in taken):
            taken.append(one)
    return taken


def _worth(group: Iterable[Recommendation]) -> Decimal:
    return sum((one.saving.expected for one in group), Decimal(0))
