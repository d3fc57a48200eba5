"""The resource kind Filesystem: storage in one region that outlives the machines it is mounted on."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sophia_infra.lambda_cloud import Duplicate, Filesystem, LambdaCloudError
from sophia_infra.provider.errors import JournalUnwritable, NameTaken, NothingToAdopt
from sophia_infra.provider.in_use import delete_when_free
from sophia_infra.provider.journal import Intent
from sophia_infra.provider.keeping import stays
from sophia_infra.provider.outcome import Checked, Created, Diff, Found, Props, same
from sophia_infra.provider.session import Session

__all__ = ["FilesystemKind"]

# How far the creation time of a filesystem may lie from the intent of a run that did not see the answer:
# this machine's clock may be wrong by that much, and a request may wait that long for its slot.
_CLOCK_SKEW_S = 60.0
_ANSWERED_WITHIN_S = 300.0


class FilesystemKind:
    """Properties: `stack`, `name` (unique in the account) and `region`; the API can change none.

    A filesystem that was there before this stack is taken over, and is never deleted by it: nobody
    else's data may go with a destroy. One that this stack made is deleted once it is no longer in use.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def check(self, _olds: Mapping[str, Any], news: Props) -> Checked:
        required = ("stack", "name", "region")
        return Checked(news, tuple((name, "is missing") for name in required if not news.get(name)))

    def diff(self, resource_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Diff:
        changed = tuple(name for name in ("name", "region") if not same(olds.get(name), news.get(name)))
        if not changed:
            self._session.memory.keep(resource_id, str(news["name"]))
        # The name is unique: with the same name, the old one must go before the new one can be.
        return Diff(changes=changed, replaces=changed, delete_before_replace="name" not in changed)

    def create(self, news: Props) -> Created:
        key = f"filesystem/{news['stack']}/{news['name']}"
        earlier = self._session.journal.find(key)
        found, made_here = self._find(news["name"]), False
        if found is None:
            found, made_here = self._make(news, key)
        if found.region != news["region"]:
            raise NameTaken(
                f"A filesystem named {news['name']!r} exists in {found.region}, not in {news['region']}. "
                "Filesystems cannot move. Nothing was made.",
                next_step="use another name, or that region.",
            )
        made_here = made_here or _announced(earlier, found)
        self._session.memory.hand_out(found.id)
        if made_here:
            with contextlib.suppress(JournalUnwritable):
                self._session.journal.write(Intent(key, self._session.clock.now(), found.id))
        else:
            self._session.journal.forget(key)
            self._session.say(
                f"{news['name']}: took over a filesystem that was already there; destroy will not delete it"
            )
        return Created(
            found.id,
            {
                **news,
                "filesystem_id": found.id,
                "mount_point": found.mount_point,
                "was_there_before": not made_here,
            },
        )

    def read(self, resource_id: str, props: Props) -> Found:
        for row in self._session.filesystems.rows(self._session.waits.refresh_s):
            if row.id == resource_id:
                return Found(row.id, dict(props))
        return Found(None)

    def update(self, _resource_id: str, olds: Mapping[str, Any], news: Props) -> Props:
        return {**olds, **news}

    def delete(self, resource_id: str, props: Mapping[str, Any]) -> None:
        if props.get("was_there_before"):
            self._session.say(f"{props['name']}: the filesystem was there before this stack and stays")
            return
        if stays(self._session, resource_id, f"filesystem {props['name']}"):
            return
        delete_when_free(
            self._session,
            lambda: self._session.client.delete_filesystem(resource_id),
            label=f"filesystem {props['name']}",
            is_held_by=lambda machine: props["name"] in machine.file_system_names,
        )
        self._session.filesystems.make_stale()
        self._session.journal.forget(f"filesystem/{props['stack']}/{props['name']}")

    def _find(self, name: str) -> Filesystem | None:
        rows = self._session.filesystems.rows(self._session.waits.fresh_s)
        return next((row for row in rows if row.name == name), None)

    def _make(self, news: Props, key: str) -> tuple[Filesystem, bool]:
        """The filesystem, and whether it was this call that made it."""
        if self._session.adopt_only:
            raise NothingToAdopt(
                f"There is no filesystem named {news['name']!r}. Nothing was made; its data are not here.",
                next_step="`sophia up` makes an empty one, once everything else is in the state again.",
            )
        self._session.journal.write(Intent(key, self._session.clock.now()))
        try:
            return self._session.client.create_filesystem(news["name"], news["region"]), True
        except Duplicate:
            # The list did not show it: another's, or made by an earlier call whose answer was lost.
            self._session.filesystems.make_stale()
            found = self._find(news["name"])
            if found is None:
                raise
            return found, False
        except LambdaCloudError as error:
            if not error.may_have_happened:
                self._session.journal.forget(key)
            raise
        finally:
            self._session.filesystems.make_stale()


def _announced(intent: Intent | None, found: Filesystem) -> bool:
    """Whether `found` is what an earlier run asked for with `intent`: by its id, else by when it was made.

    In doubt it is another's and is never deleted. What another makes under this name within five minutes of
    our unanswered request cannot be told from ours.
    """
    if intent is None:
        return False
    if intent.resource_id is not None:
        return intent.resource_id == found.id
    try:
        age_s = datetime.fromisoformat(found.created).timestamp() - intent.begun_at_s
    except ValueError:
        return False
    return -_CLOCK_SKEW_S <= age_s <= _ANSWERED_WITHIN_S
