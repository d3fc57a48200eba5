"""Whose a listed machine is, how old, and what it has cost: what status, doctor and exporter agree on.

Imports neither pulumi nor what joins a machine to a cluster, so that a small process can use it.
"""

from __future__ import annotations

from decimal import Decimal

from sophia_infra.lambda_cloud import Instance
from sophia_infra.provider.tags import LAUNCHED_AT_TAG, NAME_TAG, STACK_TAG

__all__ = [
    "ENDED_STATUSES",
    "LIVE_STATUSES",
    "MINUTES_PER_HOUR",
    "SECONDS_PER_MINUTE",
    "is_billed",
    "is_for",
    "launched_at_s",
    "started_minutes",
    "usd_so_far",
]

# A machine in one of these is billed and usable or becoming so (facts 1.6); the others are ended or ending.
LIVE_STATUSES = frozenset({"booting", "active", "unhealthy"})
# These cost nothing any more and never come back.
ENDED_STATUSES = frozenset({"terminated", "preempted"})

SECONDS_PER_MINUTE = 60
MINUTES_PER_HOUR = 60


def is_billed(machine: Instance) -> bool:
    """Whether it costs money now: until it is seen to have ended, also in a status that nobody knows yet.

    Billing "ends at terminate" (facts 2.3); whether the time until `terminated` is billed is not said, so it
    counts: a teardown wrongly believed done goes on costing (facts 1.6).
    """
    return machine.status not in ENDED_STATUSES


def is_for(machine: Instance, stack: str, name: str, *, adopt_id: str = "", adopt_name: str = "") -> bool:
    """Whether the machine is the one that the file of `stack` calls `name`.

    Args:
        stack: the value of the stack tag, "project/stack".
        adopt_id, adopt_name: how the file names an existing instance; "" for one that the stack launches,
            which is found by its tags.
    """
    if adopt_id:
        return machine.id == adopt_id
    if adopt_name:
        return machine.name == adopt_name
    return machine.tags.get(STACK_TAG) == stack and machine.tags.get(NAME_TAG) == name


def launched_at_s(machine: Instance) -> int | None:
    """Seconds since 1970 by our own tag, the only source (facts 1.4); None without a usable one."""
    try:
        return int(machine.tags[LAUNCHED_AT_TAG])
    except (KeyError, ValueError):
        return None


def started_minutes(since_s: int, now_s: float) -> int:
    """Minutes begun between two moments, as billing counts them (facts 2.3); 0 when `since_s` is ahead."""
    return -(-max(0, int(now_s) - since_s) // SECONDS_PER_MINUTE)


def usd_so_far(machine: Instance, now_s: float) -> Decimal | None:
    """What the machine has cost since its launch, per started minute at list price; None when unknown."""
    since_s = launched_at_s(machine)
    if since_s is None:
        return None
    minutes = started_minutes(since_s, now_s)
    return (machine.instance_type.usd_per_hour * minutes / MINUTES_PER_HOUR).quantize(Decimal("0.01"))
