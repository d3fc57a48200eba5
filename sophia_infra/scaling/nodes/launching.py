"""Launch one machine of a pool, so that a death at any moment leaves one at most, which is found again.

Note the intent, look at the lease, send, note the id. An intent without a listed machine counts as a machine
until the list must show it (`Waits.list_lag_s`); only then its number may be launched again.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sophia_infra.joining import merge_user_data
from sophia_infra.lambda_cloud import InstanceTypeWithCapacity, LambdaCloudError, LaunchRequest, NoCapacity
from sophia_infra.model.launch_choice import LaunchChoice
from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.scaled_tags import SCALER_TAG, ScaledName, scaled_name
from sophia_infra.provider.errors import JournalUnwritable
from sophia_infra.provider.journal import Intent, Journal
from sophia_infra.provider.session import Session
from sophia_infra.provider.tags import LAUNCHED_AT_TAG, NAME_TAG, STACK_TAG
from sophia_infra.scaling.nodes.books import Books
from sophia_infra.scaling.nodes.boot_text import BootText
from sophia_infra.scaling.nodes.settings import Limits, PoolSettings
from sophia_infra.scaling.nodes.viewing import Pending, ScaledMachine

__all__ = [
    "Launched",
    "choose_candidates",
    "free_number",
    "launch_key",
    "launch_node",
    "open_launches",
    "price_of",
]


@dataclass(frozen=True, slots=True)
class Launched:
    """What came of one launch: a machine, nothing, or nobody knows yet.

    Attributes:
        candidate: type and region that were asked for last.
        id: of the machine; None when there is none, or its id was not heard.
        uncertain: a machine may have been launched; it counts as one until the list decides.
        refusals: what had no room.
    """

    name: ScaledName
    candidate: LaunchChoice
    id: str | None = None
    uncertain: bool = False
    refusals: tuple[str, ...] = ()


def launch_key(stack: str, pool: str, number: int) -> str:
    """Of the journal."""
    return f"{stack}/{scaled_name(pool, number)}"


def open_launches(
    journal: Journal,
    stack: str,
    machines: Sequence[ScaledMachine],
    lag_s: float,
    now_s: float,
    *,
    tidy: bool,
) -> list[Pending]:
    """Launches of this host whose machine is not listed, and may yet be.

    Args:
        tidy: forget those that are listed, or never will be; only for the one that leads.
    """
    # A number is not launched while a machine of it is listed: one that is listed now is what came of it.
    listed = {(one.name.pool, one.name.number) for one in machines}
    ids = {one.id for one in machines}
    found = []
    for intent in journal.list():
        parsed = _parse_key(stack, intent.key)
        if parsed is None:
            continue
        pool, number = parsed
        if intent.resource_id in ids if intent.resource_id else parsed in listed:
            age_s = math.inf
        elif intent.begun_at_s > now_s:
            # The clock was set back: it is waited out from now, as a new one.
            if tidy:
                with contextlib.suppress(JournalUnwritable):
                    journal.write(Intent(intent.key, now_s, intent.resource_id))
            age_s = 0.0
        else:
            age_s = now_s - intent.begun_at_s
        if age_s < lag_s:
            found.append(Pending(pool, number, intent.begun_at_s, intent.resource_id))
        elif tidy:
            journal.forget(intent.key)
    return found


def free_number(
    pool: str,
    machines: Iterable[ScaledMachine],
    pending: Iterable[Pending],
    nodes: Collection[str],
    used: Collection[int] = (),
) -> int:
    """The lowest number that no listed machine, no open launch and no node of the cluster has."""
    taken = {one.name.number for one in machines if one.name.pool == pool}
    taken |= {one.number for one in pending if one.pool == pool} | set(used)
    number = 1
    while number in taken or scaled_name(pool, number) in nodes:
        number += 1
    return number


def price_of(instance_type: str, types: Mapping[str, InstanceTypeWithCapacity], prices: PriceBook) -> Decimal:
    """Dollars an hour as sold now, else as of the fallback list."""
    sold = types.get(instance_type)
    return sold.instance_type.usd_per_hour if sold else prices.get(instance_type)


def choose_candidates(
    pool: PoolSettings,
    types: Mapping[str, InstanceTypeWithCapacity],
    books: Books,
    limits: Limits,
    prices: PriceBook,
) -> tuple[list[LaunchChoice], tuple[str, ...]]:
    """Where a node may be launched now: every type in every region, in the order of the file, that lists room
    and breaks no limit; and what kept the others back.
    """
    fitting: list[LaunchChoice] = []
    limited: list[str] = []
    for instance_type in pool.types:
        reached = books.limits_reached(instance_type, price_of(instance_type, types, prices), limits)
        if reached:
            limited += reached
            continue
        sold = types.get(instance_type)
        rooms = [one for one in pool.regions if sold and one in sold.regions_with_capacity]
        if not rooms:
            limited.append("capacity")
        fitting += [LaunchChoice(instance_type, region) for region in rooms]
    return fitting, tuple(dict.fromkeys(limited))


def launch_node(
    session: Session,
    stack: str,
    pool: PoolSettings,
    number: int,
    candidates: Sequence[LaunchChoice],
    boot_text: BootText,
    ensure_leading: Callable[[], None],
) -> Launched:
    """Send one launch to the first of `candidates` that takes it.

    Args:
        ensure_leading: raises when another scaler may act by now; called right before each request leaves.

    Raises:
        JournalUnwritable: the intent could not be noted; nothing was launched.
        ScalingError: the lease was lost, or there is no boot text; nothing was launched by this call.
        LambdaCloudError: refused, and not for lack of room; nothing was launched.
    """
    key = launch_key(stack, pool.name, number)
    begun_s = session.clock.now()
    name = ScaledName(pool.name, number, int(begun_s))
    refusals: list[str] = []
    for candidate in candidates:
        request = _request(stack, pool, name, candidate, boot_text, begun_s)

        def note(instance_id: str | None = None) -> None:
            session.journal.write(Intent(key, session.clock.now(), instance_id))

        def before_attempt() -> None:
            ensure_leading()
            note()

        try:
            instance_id = session.client.launch_instance(request, before_attempt=before_attempt)
        except LambdaCloudError as error:
            session.instances.make_stale()
            if error.may_have_happened:
                # Waited for from now: nobody knows when the service did the work.
                with contextlib.suppress(JournalUnwritable):
                    note()
                return Launched(name, candidate, uncertain=True, refusals=tuple(refusals))
            session.journal.forget(key)
            if not isinstance(error, NoCapacity):
                raise
            refusals.append(str(candidate))
            continue
        session.instances.make_stale()
        with contextlib.suppress(JournalUnwritable):
            note(instance_id)
        return Launched(name, candidate, instance_id, refusals=tuple(refusals))
    return Launched(name, candidates[-1], refusals=tuple(refusals))


def _request(
    stack: str,
    pool: PoolSettings,
    name: ScaledName,
    candidate: LaunchChoice,
    boot_text: BootText,
    launched_at_s: float,
) -> LaunchRequest:
    join = boot_text.text_for(name.name, pool.name, candidate.instance_type, candidate.region)
    return LaunchRequest(
        region_name=candidate.region,
        instance_type_name=candidate.instance_type,
        ssh_key_names=(pool.ssh_key,),
        name=name.name,
        image_family=pool.image_family,
        user_data=merge_user_data(join, pool.user_data) if join else pool.user_data,
        tags={
            STACK_TAG: stack,
            NAME_TAG: name.name,
            SCALER_TAG: name.value,
            LAUNCHED_AT_TAG: str(int(launched_at_s)),
        },
    )


def _parse_key(stack: str, key: str) -> tuple[str, int] | None:
    folder, _, name = key.rpartition("/")
    pool, middle, number = name.rpartition("-scaled-")
    return (pool, int(number)) if folder == stack and middle and number.isdigit() else None
