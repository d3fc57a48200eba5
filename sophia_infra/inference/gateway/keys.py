"""Who calls: keys of the form `sk-sophia-<user>-<43 characters>`, kept only as hashes.

The file has one line `user: <sha256 of the whole key, 64 hex digits>` for each key; empty lines and lines
from `#` on do not count. A user may have several, so that a key can be replaced without a gap. A slow
password hash would buy nothing: a key holds 256 random bits, so nobody can try them all, and each request
would pay for it.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sophia_infra.inference.errors import KeyRefused
from sophia_infra.inference.gateway.errors import KeyFileRefused

__all__ = ["Caller", "KeyFile", "hash_key", "key_line", "make_key", "parse_keys"]

_PREFIX = "sk-sophia-"
_SECRET_BYTES = 32
_SECRET_CHARACTERS = 43
_USER = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_KEY = re.compile(rf"{_PREFIX}({_USER.pattern})-[A-Za-z0-9_-]{{{_SECRET_CHARACTERS}}}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_CHECK_EVERY_S = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request.

    Attributes:
        key_hash: sha256 of the key; tells two keys of one user apart. Not a secret.
    """

    user: str
    key_hash: str


def make_key(user: str) -> str:
    """A new key for `user` with 256 random bits. Show it once: only `hash_key` of it is kept.

    Raises:
        KeyFileRefused: the name is not a DNS label (a-z, 0-9 and inner hyphens, up to 63 characters).
    """
    if not _USER.fullmatch(user):
        raise KeyFileRefused(
            f"{user!r} is not a user name: use a-z, 0-9 and inner hyphens, up to 63 characters."
        )
    return f"{_PREFIX}{user}-{secrets.token_urlsafe(_SECRET_BYTES)}"


def hash_key(key: str) -> str:
    """sha256 of the whole key as 64 hex digits: what the key file holds."""
    return hashlib.sha256(key.encode()).hexdigest()


def key_line(user: str, key: str) -> str:
    """The line of the key file for `key`."""
    return f"{user}: {hash_key(key)}"


def parse_keys(text: str, *, name: str) -> dict[str, tuple[str, ...]]:
    """User -> hashes of its keys.

    Raises:
        KeyFileRefused: a line is not `user: <64 hex digits>`. The message names the line, never its text,
            since the commonest mistake is a key where its hash belongs.
    """
    found: dict[str, list[str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.partition("#")[0].strip()
        if not stripped:
            continue
        user, colon, key_hash = (part.strip() for part in stripped.partition(":"))
        if not colon or not _USER.fullmatch(user) or not _HASH.fullmatch(key_hash):
            raise KeyFileRefused(f"{name}, line {number}: not of the form `user: <sha256, 64 hex digits>`.")
        found.setdefault(user, []).append(key_hash)
    return {user: tuple(hashes) for user, hashes in found.items()}


class KeyFile:
    """The keys of one file, read again when it changes.

    A changed file that cannot be read or parsed is logged and the keys before it stay in force: a half
    written file must not lock everybody out.

    Args:
        path: the key file.
        users: names that may have keys; a key of another user opens nothing.

    Raises:
        KeyFileRefused: the file cannot be read or parsed at the start.
    """

    def __init__(self, path: Path, users: Mapping[str, object]) -> None:
        self._path = path
        self._users = frozenset(users)
        self._mark = self._current_mark()
        self._keys = self._read()
        self._checked_s = float("-inf")

    def caller(self, authorization: str | None, now_s: float) -> Caller:
        """Who sent the header `Authorization: Bearer <key>`.

        Args:
            now_s: monotonic seconds; the file is looked at once a second at most.

        Raises:
            KeyRefused: no header, another form, or a key that is not (or no longer) in the file. The same
                sentence for each wrong key: it does not tell whether the user exists.
        """
        if now_s - self._checked_s >= _CHECK_EVERY_S:
            self._checked_s = now_s
            self.reload_if_changed()
        if not authorization:
            raise KeyRefused("there is no key: send the header `Authorization: Bearer sk-sophia-...`.")
        scheme, _, key = authorization.partition(" ")
        match = _KEY.fullmatch(key.strip())
        if scheme.lower() != "bearer" or match is None:
            raise KeyRefused(
                "the header Authorization is not of the form `Bearer sk-sophia-<user>-<secret>`."
            )
        user, presented = match.group(1), hash_key(match.group(0))
        known = self._keys.get(user, ())
        # Every hash is compared, so that the time tells nothing about which one was near.
        matches = [hmac.compare_digest(presented, one) for one in known]
        if user not in self._users or not any(matches):
            raise KeyRefused("the key is wrong, was replaced, or its user was removed.")
        return Caller(user, presented)

    def reload_if_changed(self) -> None:
        """Read the file again if its modification time, size or inode changed."""
        mark = self._current_mark()
        if mark != self._mark:
            self.reload(mark)

    def reload(self, mark: tuple[int, ...] | None = None) -> None:
        """Read the file again now (SIGHUP)."""
        self._mark = mark if mark is not None else self._current_mark()
        try:
            self._keys = self._read()
        except KeyFileRefused as error:
            _log.error("the keys stay as they were: %s", error)
        else:
            _log.info("keys read again: %d users", len(self._keys))

    def hashes(self) -> frozenset[str]:
        """Hashes of all keys in force."""
        return frozenset(one for hashes in self._keys.values() for one in hashes)

    def _read(self) -> dict[str, tuple[str, ...]]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise KeyFileRefused(f"{self._path} cannot be read: {reason}.") from None
        return parse_keys(text, name=str(self._path))

    def _current_mark(self) -> tuple[int, ...]:
        """Follows links: Kubernetes changes a mounted secret by turning a link to another folder."""
        try:
            status = self._path.stat()
        except OSError:
            return ()
        return status.st_mtime_ns, status.st_size, status.st_ino
