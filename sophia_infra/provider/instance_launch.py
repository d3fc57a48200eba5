"""Launch one machine, or take over the one that an earlier run launched for the same purpose.

The order is fixed: look for the tag, write the intent, launch, write the id. A process may be killed
between any two of these and the next run ends with exactly one machine.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from decimal import Decimal

from sophia_infra.lambda_cloud import Instance, LambdaCloudError, NoCapacity, NotFound
from sophia_infra.model.launch_choice import LaunchChoice
from sophia_infra.provider.errors import (
    AdoptionRefused,
    CapacityExhausted,
    DuplicateInstances,
    JournalUnwritable,
    LaunchUncertain,
    NothingToAdopt,
    Stopped,
    UnrecordedInstance,
)
from sophia_infra.provider.instance_spec import LIVE_STATUSES, InstanceSpec, Machine
from sophia_infra.provider.journal import Intent
from sophia_infra.provider.session import Session
from sophia_infra.provider.tags import LAUNCHED_AT_TAG, STACK_TAG, LaunchKey

__all__ = ["adopt_configured", "adopt_or_launch"]


def adopt_configured(session: Session, spec: InstanceSpec) -> Machine:
    """The existing machine that the configuration names by id or name. Never launches.

    One that gets another name afterwards is noted: a run killed after that is followed by one that would
    look for the old name in vain.

    Raises:
        AdoptionRefused: there is none, several have the name, or it is of another type or region.
        JournalUnwritable: the note could not be written; nothing was changed.
    """
    wanted = spec.adopt or {}
    live = [
        machine
        for machine in session.instances.rows(session.waits.fresh_s)
        if machine.status in LIVE_STATUSES
    ]
    found = [
        machine
        for machine in live
        if machine.id == wanted.get("id") or (machine.name is not None and machine.name == wanted.get("name"))
    ] or _renamed_by_a_run_before(session, spec, live)
    label = f"id {wanted['id']}" if wanted.get("id") else f"name {wanted.get('name')}"
    where = f"{spec.owner.name}: nothing was launched."
    if not found:
        raise AdoptionRefused(
            f"{where} No live instance with {label} is in the account.",
            next_step="correct `adopt`, or remove it to launch a new machine.",
        )
    if len(found) > 1:
        raise AdoptionRefused(
            f"{where} {len(found)} live instances have the {label}: {_ids(found)}.",
            next_step="set `adopt: {id: ...}` to the one you mean.",
        )
    machine = Machine.of(found[0])
    if machine.candidate != spec.candidates[0]:
        raise AdoptionRefused(
            f"{where} Instance {machine.id} is a {machine.candidate}, "
            f"but the file says {spec.candidates[0]}.",
            next_step="correct `type` and `region`, or `adopt`.",
        )
    if wanted.get("name") and spec.display_name and machine.name != spec.display_name:
        session.journal.write(Intent(_adoption_key(spec), session.clock.now(), machine.id))
    return machine


def _renamed_by_a_run_before(session: Session, spec: InstanceSpec, live: list[Instance]) -> list[Instance]:
    note = session.journal.find(_adoption_key(spec))
    if note is None or note.resource_id is None:
        return []
    return [one for one in live if one.id == note.resource_id and one.name == spec.display_name]


def _adoption_key(spec: InstanceSpec) -> str:
    return f"adopt/{spec.owner.stack}/{spec.owner.name}/{(spec.adopt or {}).get('name')}"


def adopt_or_launch(session: Session, spec: InstanceSpec) -> Machine:
    """The live machine that carries this launch's key, or a new one.

    Lists first, so a call repeated after a crash or a lost answer takes over and does not pay twice.

    Raises:
        DuplicateInstances, UnrecordedInstance: a human must decide; nothing was launched.
        CapacityExhausted: no candidate has capacity; nothing was launched.
        NothingToAdopt: there is none, and this session only adopts; nothing was launched.
        LaunchUncertain: no answer and no tag seen; call again.
        JournalUnwritable: the intent could not be noted; nothing was launched.
        LambdaCloudError: the API refused; nothing was launched unless `may_have_happened`.

    Spends: 1 shared list and at most 1 launch per candidate (1 per 12 s, waited for by the pacer).
    """
    key = spec.launch_key
    machine = _find_launched(session, key)
    if machine is not None:
        session.say(f"{spec.owner.name}: took over instance {machine.id}, launched by an earlier run")
        return machine
    if session.adopt_only:
        raise NothingToAdopt(
            f"{spec.owner.name}: no live machine carries its launch key {key.value}. Nothing was launched.",
            next_step="`sophia up` launches one, once everything else is in the state again.",
        )
    waiting_since_s = session.clock.now()
    while True:
        refusals = []
        for candidate in spec.candidates:
            try:
                return _launch(session, spec, candidate, key)
            except NoCapacity as error:
                refusals.append(f"{candidate} ({error.code})")
        _wait_for_capacity(session, spec, waiting_since_s, refusals)


def _find_launched(session: Session, key: LaunchKey) -> Machine | None:
    """The live machine of this launch, None when there is none and none can still turn up."""
    intent = session.journal.find(str(key))
    max_age_s = session.waits.fresh_s
    if intent is not None:
        session.instances.make_stale()
        max_age_s = session.waits.poll_s
    while True:
        machine = _match(session, key, session.instances.rows(max_age_s))
        if machine is None and intent is not None and intent.resource_id:
            machine = _get_live(session, intent.resource_id)
        if machine is not None:
            _note_found(session, intent, machine.id)
            return Machine.of(machine)
        if intent is None:
            return None
        # An intent of the future (the clock was set back) or an unreadable one has age 0: wait it out.
        age_s = max(0.0, session.clock.now() - intent.begun_at_s)
        if age_s >= session.waits.list_lag_s:
            return None
        if intent.begun_at_s > session.clock.now():
            intent = Intent(intent.key, session.clock.now(), intent.resource_id)
        session.clock.sleep(min(session.waits.poll_s, session.waits.list_lag_s - age_s))


def _note_found(session: Session, intent: Intent | None, instance_id: str) -> None:
    """The id that a lost answer did not tell: without it, a list that lags again would make its refresh
    take the machine for gone, and the state would lose it.
    """
    if intent is not None and intent.resource_id is None:
        begun_at_s = min(intent.begun_at_s, session.clock.now())
        with contextlib.suppress(JournalUnwritable):
            session.journal.write(Intent(intent.key, begun_at_s, instance_id))


def _match(session: Session, key: LaunchKey, rows: Iterable[Instance]) -> Instance | None:
    mine, strangers = [], []
    in_state = session.memory.in_state(key.owner)
    for machine in rows:
        if machine.status not in LIVE_STATUSES or not key.owner.owns(machine.tags):
            continue
        if LaunchKey.of(key.owner, machine.tags) == key:
            mine.append(machine)
        elif machine.id not in in_state:
            strangers.append(machine)
    if len(mine) > 1:
        raise DuplicateInstances(
            f"{key.owner.name}: {len(mine)} live instances carry the launch key {key.value}: {_ids(mine)}; "
            f"together ${_usd_per_hour(mine)}/h. Nothing was launched.",
            next_step="`sophia doctor` shows which one to terminate.",
        )
    if mine:
        return mine[0]
    if strangers:
        raise UnrecordedInstance(
            f"{key.owner.name}: {_ids(strangers)} was launched for this resource with another spec and is "
            f"not in the part of the state that this update reads; it costs ${_usd_per_hour(strangers)}/h. "
            "Nothing was launched.",
            next_step="`sophia doctor` says whether it is left over from a killed run, and the exact fix.",
        )
    return None


def _launch(session: Session, spec: InstanceSpec, candidate: LaunchChoice, key: LaunchKey) -> Machine:
    try:
        instance_id = _send(session, spec, candidate, key)
    except LambdaCloudError as error:
        session.instances.make_stale()
        if not error.may_have_happened:
            session.journal.forget(str(key))
            raise
        # Waited for from now: nobody knows when the service does the work, and the answer alone may have been
        # waited for as long as the list may lag.
        with contextlib.suppress(JournalUnwritable):
            session.journal.write(Intent(str(key), session.clock.now()))
        machine = _find_launched(session, key)
        if machine is not None:
            return machine
        raise LaunchUncertain(
            f"{spec.owner.name}: the launch of {candidate} got no usable answer ({error}), and no machine "
            f"with its tag was seen for {session.waits.list_lag_s:.0f} s.",
            next_step="run the same command again: it looks for the machine before it launches.",
        ) from error
    session.instances.make_stale()
    if candidate != spec.candidates[0]:
        session.say(f"{spec.owner.name}: launched as {candidate}, a fallback")
    return Machine(instance_id, candidate, spec.display_name)


def _send(session: Session, spec: InstanceSpec, candidate: LaunchChoice, key: LaunchKey) -> str:
    """Note the intent, launch, note the id. The id of the new machine."""
    # One at a time, as the rate allows no more: an intent noted while others go first would be
    # too old, when its own launch is sent at last, to say how long to look for it.
    with session.launch_turn:
        session.ensure_wanted()
        request = spec.launch_request(candidate, session.clock.now())

        def note(instance_id: str | None = None) -> None:
            session.journal.write(Intent(str(key), session.clock.now(), instance_id))

        # Noted again before each attempt: a 429 may have held the one that counts back for minutes, and an
        # intent of before that would no longer tell to wait until the list must show the machine.
        instance_id = session.client.launch_instance(request, before_attempt=note)
        # The machine is there: losing its id for the sake of a note would be the worse of the two.
        with contextlib.suppress(JournalUnwritable):
            note(instance_id)
        return instance_id


def _wait_for_capacity(session: Session, spec: InstanceSpec, since_s: float, refusals: list[str]) -> None:
    """Return when a candidate is listed with capacity; CapacityExhausted when the limits are reached."""
    tried = "; ".join(refusals)
    limits = spec.capacity_wait
    if limits is None:
        raise CapacityExhausted(
            f"{spec.owner.name}: no capacity for {tried}. Nothing was launched.",
            next_step="try again later, add `fallbacks`, or opt in to `wait_for_capacity`. "
            "`sophia types` shows where capacity is now.",
        )
    said = False
    while True:
        waited_s = session.clock.now() - since_s
        spent = _rest_of_stack_usd_per_hour(session, spec) * Decimal(str(waited_s)) / 3600
        if waited_s >= limits.max_minutes * 60 or spent >= limits.max_usd:
            raise CapacityExhausted(
                f"{spec.owner.name}: no capacity for {tried} after {waited_s / 60:.0f} min, in which the "
                f"rest of the stack cost ${spent:.2f} (limits: {limits.max_minutes:g} min, "
                f"${limits.max_usd}). Nothing was launched.",
                next_step="try again later, add `fallbacks`, or raise the limits.",
            )
        if not said:
            session.say(
                f"{spec.owner.name}: waiting for capacity ({tried}), at most {limits.max_minutes:g} min"
            )
            said = True
        if session.stop_requested():
            raise Stopped(
                f"{spec.owner.name}: stopped on request while waiting for capacity. Nothing was launched.",
                next_step="run the same command again to go on waiting.",
            )
        session.clock.sleep(min(session.waits.capacity_poll_s, limits.max_minutes * 60 - waited_s))
        listed = session.client.list_instance_types()
        if any(
            candidate.instance_type in listed
            and candidate.region in listed[candidate.instance_type].regions_with_capacity
            for candidate in spec.candidates
        ):
            return


def _rest_of_stack_usd_per_hour(session: Session, spec: InstanceSpec) -> Decimal:
    return _usd_per_hour(
        machine
        for machine in session.instances.rows(session.waits.refresh_s)
        if machine.status in LIVE_STATUSES and machine.tags.get(STACK_TAG) == spec.owner.stack
    )


def _get_live(session: Session, instance_id: str) -> Instance | None:
    try:
        machine = session.client.get_instance(instance_id)
    except NotFound:
        return None
    return machine if machine.status in LIVE_STATUSES else None


def _usd_per_hour(machines: Iterable[Instance]) -> Decimal:
    return sum((machine.instance_type.usd_per_hour for machine in machines), Decimal(0))


def _ids(machines: Iterable[Instance]) -> str:
    return ", ".join(
        f"{machine.id} (launched at {machine.tags.get(LAUNCHED_AT_TAG, 'an unknown time')})"
        for machine in machines
    )
