"""What a delete must leave alone: what this update was just given again, and all when it only adopts."""

from __future__ import annotations

from sophia_infra.provider.errors import TerminationRefused
from sophia_infra.provider.session import Session

__all__ = ["refuse_to_end", "stays"]


def refuse_to_end(session: Session, label: str) -> None:
    """Return unless this session only adopts. Raises TerminationRefused: nothing was ended or deleted."""
    if session.adopt_only:
        raise TerminationRefused(
            f"{label} is in the state and not in the stack file; an update that only adopts ends nothing.",
            next_step="`sophia preview` shows what `sophia up` would end.",
        )


def stays(session: Session, resource_id: str, label: str) -> bool:
    """Whether a delete of `resource_id` must do nothing, said to the user in one line.

    True when this update has just taken it over as the new resource, and when the state also holds it as
    one that this update keeps: what remains of a forced replacement that was interrupted.
    Raises TerminationRefused when this session only adopts.
    """
    refuse_to_end(session, label)
    if session.memory.was_handed_out(resource_id):
        session.say(f"{label} stays: this update has just taken it over again")
        return True
    keeper = session.memory.kept_as(resource_id)
    if keeper is None:
        return False
    session.say(f"{label} stays: this update also keeps it as {keeper}")
    return True
