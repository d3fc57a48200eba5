"""The resource kind Filesystem: storage in one region that outlives the machines it is mounted on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sophia_infra.lambda_cloud import Duplicate, Filesystem, LambdaCloudError
from sophia_infra.provider.errors import NameTaken
from sophia_infra.provider.in_use import delete_when_free
from sophia_infra.provider.journal import Intent
from sophia_infra.provider.outcome import Checked, Created, Diff, Found, Props, same
from sophia_infra.provider.session import Session

__all__ = ["FilesystemKind"]


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

    def diff(self, _resource_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Diff:
        changed = tuple(name for name in ("name", "region") if not same(olds.get(name), news.get(name)))
        # The name is unique: with the same name, the old one must go before the new one can be.
        return Diff(changes=changed, replaces=changed, delete_before_replace="name" not in changed)

    def create(self, news: Props) -> Created:
        key = f"filesystem/{news['stack']}/{news['name']}"
        found = self._find(news["name"])
        if found is None:
            self._session.journal.write(Intent(key, self._session.clock.now()))
            found = self._make(news, key)
        elif found.region != news["region"]:
            raise NameTaken(
                f"A filesystem named {news['name']!r} exists in {found.region}, not in {news['region']}. "
                "Filesystems cannot move. Nothing was made.",
                next_step="use another name, or that region.",
            )
        begun_here = self._session.journal.find(key) is not None
        if not begun_here:
            self._session.say(
                f"{news['name']}: took over a filesystem that was already there; destroy will not delete it"
            )
        return Created(
            found.id,
            {
                **news,
                "filesystem_id": found.id,
                "mount_point": found.mount_point,
                "was_there_before": not begun_here,
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
        delete_when_free(self._session, lambda: self._session.client.delete_filesystem(resource_id))
        self._session.filesystems.make_stale()
        self._session.journal.forget(f"filesystem/{props['stack']}/{props['name']}")

    def _find(self, name: str) -> Filesystem | None:
        rows = self._session.filesystems.rows(self._session.waits.fresh_s)
        return next((row for row in rows if row.name == name), None)

    def _make(self, news: Props, key: str) -> Filesystem:
        try:
            return self._session.client.create_filesystem(news["name"], news["region"])
        except Duplicate:
            # Made by a call whose answer was lost and that the list did not show yet.
            self._session.filesystems.make_stale()
            found = self._find(news["name"])
            if found is None:
                raise
            return found
        except LambdaCloudError as error:
            if not error.may_have_happened:
                self._session.journal.forget(key)
            raise
        finally:
            self._session.filesystems.make_stale()
