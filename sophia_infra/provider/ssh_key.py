"""The resource kind SshKey: a public key registered in the account, found again by name and content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sophia_infra.lambda_cloud import SshKey
from sophia_infra.provider.errors import NameTaken
from sophia_infra.provider.in_use import delete_when_free
from sophia_infra.provider.keeping import stays
from sophia_infra.provider.outcome import Checked, Created, Diff, Found, Props, same
from sophia_infra.provider.session import Session

__all__ = ["SshKeyKind"]


class SshKeyKind:
    """Properties: `name` (1 to 64 characters) and `public_key`; the API can change neither.

    Names are not unique for keys, and a launch that names an ambiguous one fails (facts 5.3): an equal
    key is taken over, another key of that name is an error, and a second one is never made.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def check(self, _olds: Mapping[str, Any], news: Props) -> Checked:
        return Checked(
            news, tuple((name, "is missing") for name in ("name", "public_key") if not news.get(name))
        )

    def diff(self, resource_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Diff:
        changed = tuple(name for name in ("name", "public_key") if not same(olds.get(name), news.get(name)))
        if not changed:
            self._session.memory.keep(resource_id, str(news["name"]))
        return Diff(changes=changed, replaces=changed, delete_before_replace="name" not in changed)

    def create(self, news: Props) -> Created:
        named = [
            key
            for key in self._session.ssh_keys.rows(self._session.waits.fresh_s)
            if key.name == news["name"]
        ]
        for key in named:
            if _material(key.public_key) == _material(news["public_key"]):
                self._session.memory.hand_out(key.id)
                return Created(key.id, _outputs(news, key))
        if named:
            raise NameTaken(
                f"Another SSH key named {news['name']!r} is in the account. Nothing was made.",
                next_step="give this one another name, or delete the other one.",
            )
        key = self._session.client.add_ssh_key(news["name"], news["public_key"])
        self._session.ssh_keys.make_stale()
        return Created(key.id, _outputs(news, key))

    def read(self, resource_id: str, props: Props) -> Found:
        for key in self._session.ssh_keys.rows(self._session.waits.refresh_s):
            if key.id == resource_id:
                return Found(key.id, dict(props))
        return Found(None)

    def update(self, _resource_id: str, olds: Mapping[str, Any], news: Props) -> Props:
        return {**olds, **news}

    def delete(self, resource_id: str, props: Mapping[str, Any]) -> None:
        if stays(self._session, resource_id, f"SSH key {props.get('name', resource_id)}"):
            return
        delete_when_free(self._session, lambda: self._session.client.delete_ssh_key(resource_id))
        self._session.ssh_keys.make_stale()


def _outputs(news: Props, key: SshKey) -> Props:
    return {**news, "ssh_key_id": key.id}


def _material(public_key: str) -> list[str]:
    """Type and body of an OpenSSH public key: the comment says nothing about the key."""
    return public_key.split()[:2]
