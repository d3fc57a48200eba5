"""The rules: each looks at the same facts and yields recommendations. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from sophia_infra.optimization.recommendation import Kind, Recommendation
from sophia_infra.optimization.rules.account import (
    find_budget,
    find_filesystems,
    find_prices,
    find_strays,
    find_untagged,
)
from sophia_infra.optimization.rules.look import Look
from sophia_infra.optimization.rules.machines import find_idle, find_schedules
from sophia_infra.optimization.rules.sizes import find_consolidations, find_smaller
from sophia_infra.optimization.rules.tokens import find_own_gpus, find_serverless

__all__ = ["Look", "find_all"]

_RULES: Final[tuple[Callable[[Look], Iterator[Recommendation]], ...]] = (
    find_strays,
    find_filesystems,
    find_idle,
    find_schedules,
    find_smaller,
    find_consolidations,
    find_serverless,
    find_own_gpus,
    find_untagged,
    find_budget,
    find_prices,
)
_BY_USAGE: Final = frozenset(
    {Kind.IDLE, Kind.SCHEDULE, Kind.RIGHTSIZE, Kind.CONSOLIDATE, Kind.SERVERLESS, Kind.OWN_GPU}
)


def find_all(look: Look) -> list[Recommendation]:
    """Everything that the rules find, but for savings that are not worth the work."""
    least = look.config.min_saving.usd_per_month
    return [
        one
        for rule in _RULES
        for one in rule(look)
        if one.kind not in _BY_USAGE or one.saving.expected >= least
    ]
