"""Delete something that ended machines may still hold for a while."""

from __future__ import annotations

from collections.abc import Callable

from sophia_infra.lambda_cloud import InUse, NotFound
from sophia_infra.provider.session import Session

__all__ = ["delete_when_free"]


def delete_when_free(session: Session, delete: Callable[[], object]) -> None:
    """Call `delete` until it is done or the thing is gone.

    A terminating machine holds what it used (facts 1.6).

    Raises:
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
            if not deadline.pause(session.waits.poll_s):
                raise
        else:
            return
