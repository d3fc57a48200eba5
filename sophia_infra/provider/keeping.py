"""A forced replacement of a thing found by its name deletes by id what it was just given: not here."""

from __future__ import annotations

from sophia_infra.provider.session import Session

__all__ = ["stays"]


def stays(session: Session, resource_id: str, label: str) -> bool:
    """Whether a delete of `resource_id` must do nothing, said to the user in one line.

    True when this update has just taken it over as the new resource, and when the state also holds it as
    one that this update keeps: what remains of a forced replacement that was interrupted.
    """
    if session.memory.was_handed_out(resource_id):
        session.say(f"{label} stays: this update has just taken it over again")
        return True
    keeper = session.memory.kept_as(resource_id)
    if keeper is None:
        return False
    session.say(f"{label} stays: this update also keeps it as {keeper}")
    return True
