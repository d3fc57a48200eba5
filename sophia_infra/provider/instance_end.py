"""End a machine, and believe it only when the list says so."""

from __future__ import annotations

from sophia_infra.lambda_cloud import Conflict, InvalidSpec, NotFound, ServerFault
from sophia_infra.provider.errors import StillTerminating
from sophia_infra.provider.instance_spec import LIVE_STATUSES
from sophia_infra.provider.session import Session

__all__ = ["terminate"]

# `terminating` is not an end: the machine may be billed until it is terminated or no longer listed.
_ENDED_STATUSES = frozenset({"terminated", "preempted"})


def terminate(session: Session, instance_id: str, name: str) -> None:
    """Terminate one machine and return once the list shows it ended or no longer shows it.

    A machine that is gone already is success, and so is one that was ending already, whatever the service
    answers then (`global/unknown` was seen: peers.md 3.2). A terminate that the service refuses because the
    machine was just launched (`actions.terminate.available` false, facts 1.6) is sent again until the
    deadline. A machine so young that the list may not show it yet is not believed to be gone.

    Raises:
        StillTerminating: not ended by the deadline (900 s by default); it may still be billed.
        LambdaCloudError: the API refused for another reason; the machine is still there.
    """
    deadline = session.deadline(session.waits.terminate_s)
    accepted = False
    while True:
        if not accepted:
            try:
                session.client.terminate_instances([instance_id])
                accepted = True
            except NotFound:
                accepted = True
            except (Conflict, InvalidSpec):
                if deadline.left_s <= 0:
                    raise
            except ServerFault:
                session.instances.make_stale()
                if _status(session, instance_id) in LIVE_STATUSES:
                    raise
                accepted = True
            session.instances.make_stale()
        status = _status(session, instance_id)
        if status in _ENDED_STATUSES or (status is None and not session.may_turn_up(instance_id)):
            return
        if status in LIVE_STATUSES and accepted:
            # The answer was an acceptance, the machine disagrees: ask again.
            accepted = False
        if not deadline.pause(session.waits.poll_s):
            raise StillTerminating(
                f"{name}: instance {instance_id} is still {status or 'not listed'} "
                f"{session.waits.terminate_s / 60:.0f} min after its termination was asked for; it may "
                "still be billed and stays in the state.",
                next_step="run the same command again; if it stays, open a ticket with Lambda's support.",
            )


def _status(session: Session, instance_id: str) -> str | None:
    """The status in the shared list; from the machine's own address where the list does not show it."""
    for machine in session.instances.rows(session.waits.poll_s / 2):
        if machine.id == instance_id:
            return machine.status
    try:
        return session.client.get_instance(instance_id).status
    except NotFound:
        return None
