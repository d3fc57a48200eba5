"""Delete something that machines may hold: wait for those that are ending, refuse for those that stay."""

from __future__ import annotations

from collections.abc import Callable

from sophia_infra.lambda_cloud import Instance, InUse, NotFound
from sophia_infra.provider.errors import HeldByMachine
from sophia_infra.provider.instance_spec import LIVE_STATUSES
from sophia_infra.provider.session import Session

__all__ = ["delete_when_free"]


def delete_when_free(
    session: Session,
    delete: Callable[[], object],
    *,
    label: str = "",
    is_held_by: Callable[[Instance], bool] = lambda _machine: False,
) -> None:
    """Call `delete` until it is done or the thing is gone.

    A terminating machine holds what it used (facts 1.6), so that is waited for; a live one never lets go,
    because nothing can be detached from a machine (facts 1.3).

    Args:
        label: how the user knows the thing.
        is_held_by: whether a machine was launched with it.

    Raises:
        HeldByMachine: a live machine uses it.
        InUse: still held after `waits.in_use_s` (900 s by default).
        LambdaCloudError: refused for another reason.
    """
    deadline = session.deadline(session.waits.in_use_s)
    while True:
        try:
            delete()
        except NotFound:
            return
        except InUse:
            _refuse_if_held(session, label, is_held_by)
            if not deadline.pause(session.waits.poll_s):
                raise
        else:
            return


def _refuse_if_held(session: Session, label: str, is_held_by: Callable[[Instance], bool]) -> None:
    machines = [
        machine.name or machine.id
        for machine in session.instances.rows(session.waits.poll_s / 2)
        if machine.status in LIVE_STATUSES and is_held_by(machine)
    ]
    if machines:
        raise HeldByMachine(
            f"{label} was not deleted: {', '.join(machines)} was launched with it, and nothing can be "
            "detached from a machine.",
            next_step="keep it in the stack file until that machine is replaced (raise its `generation`).",
        )
