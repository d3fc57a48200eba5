"""A run's machines as the account lists them, and their end: asked of all at once, believed from the list."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Final

from sophia_infra.lambda_cloud import Instance, LambdaCloudError
from sophia_infra.model.clock import Clock
from sophia_infra.provider.errors import ProviderError
from sophia_infra.provider.instance_end import terminate
from sophia_infra.provider.instance_spec import LIVE_STATUSES
from sophia_infra.provider.run_tags import RunTags
from sophia_infra.provider.session import Session
from sophia_infra.training.errors import MachinesRemain

__all__ = ["BILLED_STATUSES", "ask_to_end", "end_machines", "ending_of_run", "find_machines", "open_launches"]

BILLED_STATUSES: Final = LIVE_STATUSES | {"terminating"}
"""A terminating machine may be billed until it is terminated."""

_REMAINS_NEXT: Final = "`sophia train sweep` tries again; if it stays, open a ticket with Lambda's support."


def find_machines(rows: Iterable[Instance], stack: str, run_id: str | None = None) -> list[Instance]:
    """The machines of the stack's runs, or of one run, that are not known to have ended."""
    found = []
    for row in rows:
        tags = RunTags.of(row.tags)
        if tags is None or tags.stack != stack or row.status not in BILLED_STATUSES:
            continue
        if run_id is None or tags.run_id == run_id:
            found.append(row)
    return found


def end_machines(session: Session, machines: Iterable[Instance]) -> list[Instance]:
    """Terminate all of them and return those that the list shows ended.

    The requests leave before anything is waited for: `provider.terminate` waits until one machine has ended,
    half a minute in which the others would be billed.

    Raises:
        MachinesRemain: some did not end; each is named with why. The others were ended all the same.
    """
    waiting = list(machines)
    ask_to_end(session, waiting)
    ended: list[Instance] = []
    problems = []
    for machine in waiting:
        try:
            terminate(session, machine.id, machine.name or machine.id)
        except (LambdaCloudError, ProviderError) as error:
            problems.append(f"{machine.name or machine.id} ({machine.id}): {error}")
            continue
        session.journal.forget_id(machine.id)
        ended.append(machine)
    if problems:
        raise MachinesRemain(
            f"{len(problems)} of {len(waiting)} machines may still be billed: {'; '.join(problems)}",
            next_step=_REMAINS_NEXT,
        )
    return ended


def ask_to_end(session: Session, machines: Iterable[Instance]) -> None:
    """Send a terminate for each that lives; whether it was heard, the list says later."""
    for machine in machines:
        if machine.status in LIVE_STATUSES:
            with contextlib.suppress(LambdaCloudError):
                session.client.terminate_instances([machine.id])
    session.instances.make_stale()


def open_launches(session: Session) -> bool:
    """Whether a launch was begun so lately that its machine may still turn up in the list."""
    now_s = session.clock.now()
    return any(
        # One of the future was noted before the clock was set back: waited out like a new one.
        now_s - intent.begun_at_s < session.waits.list_lag_s
        for intent in session.journal.list()
    )


def ending_of_run(
    session: Session, stack: str, run_id: str, on_ended: Callable[[Instance], None] = lambda _: None
) -> None:
    """End every machine of the run, those too that a launch without an answer may have made.

    Args:
        on_ended: called with each machine that the list shows ended.

    Raises:
        MachinesRemain: see `end_machines`.
        LambdaCloudError: the list could not be read; nothing is known.
    """
    began_s = session.clock.now()
    while True:
        session.instances.make_stale()
        for machine in end_machines(session, find_machines(session.instances.rows(0), stack, run_id)):
            on_ended(machine)
        _end_unlisted(session)
        if not open_launches(session) or _waited_out(session.clock, began_s, session.waits.list_lag_s):
            break
        session.clock.sleep(session.waits.poll_s)
    for intent in session.journal.list():
        session.journal.forget(intent.key)


def _end_unlisted(session: Session) -> None:
    """End those whose id was heard and which the list did not show: most have ended, one may be too young.

    Asked by their ids, whatever their age: a clock that was set forward makes the youngest look old.
    """
    for intent in session.journal.list():
        if intent.resource_id is None:
            continue
        try:
            terminate(session, intent.resource_id, intent.key)
        except ProviderError as error:
            raise MachinesRemain(
                f"{intent.key} ({intent.resource_id}) may still be billed: {error}",
                next_step=_REMAINS_NEXT,
            ) from error
        session.journal.forget(intent.key)


def _waited_out(clock: Clock, began_s: float, lag_s: float) -> bool:
    """Whether the list must show by now whatever was launched before `began_s`."""
    return clock.now() - began_s >= lag_s
