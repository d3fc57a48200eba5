"""What a set holds: a plain document beside its sealed parts, with the SHA-256 of each and a MAC over all.

Plain, so that `list` and `prune` need no key; it names things and holds no value of theirs. The MAC is made
with the set's key: whoever changes, adds or leaves out a part without the key is found out by `verify`.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from sophia_infra.backup.errors import KeyRefused, SetDamaged, SetForeign
from sophia_infra.backup.key import BackupKey

__all__ = [
    "FORMAT",
    "MANIFEST",
    "Manifest",
    "Part",
    "PartKind",
    "begun_at",
    "new_set_id",
    "parse_manifest",
]

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
_SET_ID: Final = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")
_PART_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}")
_TIME_IN_ID: Final = "%Y%m%d-%H%M%S"
_LAST_SECOND: Final = datetime.max.replace(microsecond=0, tzinfo=UTC)
_MAC_CONTEXT: Final = b"sophia-backup manifest "

PartKind = Literal["configuration", "state", "database", "records", "images"]


@dataclass(frozen=True, slots=True)
class Part:
    """One sealed file of a set.

    Attributes:
        name: of the file in the set, for example `database-ledger`.
        kind: what is in it.
        sha256: of the sealed bytes, in hex.
        sealed_bytes: of the sealed file.
        plain_bytes: of what is in it.
        detail: plain facts: which database and server, which files.
    """

    name: str
    kind: PartKind
    sha256: str
    sealed_bytes: int
    plain_bytes: int
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole set: it is written last, so a set without one was never finished.

    Attributes:
        set_id: `20260820-101112-3fa9c1`: when it was begun (UTC), and chance. Sorts behind every set that was
            there before it, whatever the clock said, see `new_set_id`.
        stack: name of the stack.
        made_at: UTC, ISO 8601 with seconds, of the moment before the first part was read: what happened
            later may be missing.
        seconds: how long it took.
        key_id: of the key that seals it.
        versions: of what made it: sophia, pulumi, pg_dump, python.
        parts: in the order in which they were written.
        notes: what is not in it, one sentence each.
        format: of set and manifest.
        mac: HMAC-SHA256 in hex; empty until `sealed`.
    """

    set_id: str
    stack: str
    made_at: str
    seconds: float
    key_id: str
    versions: Mapping[str, str]
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()
    format: int = FORMAT
    mac: str = ""

    @property
    def made_at_s(self) -> float:
        """Seconds since 1970."""
        return datetime.fromisoformat(self.made_at).timestamp()

    @property
    def sealed_bytes(self) -> int:
        """Of all sealed parts."""
        return sum(part.sealed_bytes for part in self.parts)

    def part(self, kind: PartKind, name: str | None = None) -> Part | None:
        """The part of that kind (and database name), None when the set has none."""
        return next(
            (
                part
                for part in self.parts
                if part.kind == kind and name in (None, part.detail.get("database"))
            ),
            None,
        )

    def sealed(self, key: BackupKey) -> Manifest:
        """The same with its MAC."""
        return Manifest(**{**self._fields(), "mac": key.mac(self._message())})

    def check(self, key: BackupKey) -> None:
        """Return when it was made with `key` and not changed since. Raises KeyRefused or SetDamaged."""
        if self.key_id != key.id:
            raise KeyRefused(
                f"Set {self.set_id} was sealed with key {self.key_id}, and the key given is {key.id}.",
                next_step="give the key of that time; keys of copies are kept as long as the copies.",
            )
        if not secrets.compare_digest(self.mac, key.mac(self._message())):
            raise SetDamaged(
                f"The manifest of set {self.set_id} was changed since it was written.",
                next_step="take an older set (`sophia backup list`).",
            )

    def as_text(self) -> str:
        """The document as it is stored."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    def _message(self) -> bytes:
        document = {**asdict(self), "mac": ""}
        return _MAC_CONTEXT + json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def begun_at(set_id: str) -> datetime | None:
    """The time in the name of a set (UTC); None when it names none: it is no set."""
    if not _SET_ID.fullmatch(set_id):
        return None
    try:
        return datetime.strptime(set_id[:15], _TIME_IN_ID).replace(tzinfo=UTC)
    except ValueError:
        return None


def new_set_id(now: datetime, before: Iterable[str] = ()) -> str:
    """A name that sorts behind all of `before`; two that are begun at once differ by chance.

    It is the time, unless a set of `before` is as late: one of the two was made while a clock was wrong, so
    the time goes on from that set's by a second. `Manifest.made_at` says what the clock said.
    """
    at = now.astimezone(UTC).replace(microsecond=0)
    latest = max((found for set_id in before if (found := begun_at(set_id))), default=None)
    if latest is not None and latest >= at:
        # Of the last second of the calendar there is no next one; then chance decides.
        at = latest + min(timedelta(seconds=1), _LAST_SECOND - latest)
    return f"{at:{_TIME_IN_ID}}-{secrets.token_hex(3)}"


def parse_manifest(data: bytes, stack: str, set_id: str) -> Manifest:
    """The manifest of `set_id`, not yet checked against a key.

    Raises:
        SetDamaged: it is no manifest.
        SetForeign: of another stack, another set, or a format that this version does not read.
    """
    try:
        document = json.loads(data)
        found = document["format"]
        if found != FORMAT:
            raise SetForeign(
                f"Set {set_id} has format {found}; this version reads format {FORMAT} and no other.",
                next_step="restore it with the version of sophia that is named in its manifest: "
                f"{document.get('versions', {}).get('sophia', 'unknown')}.",
            )
        parts = tuple(Part(**part) for part in document["parts"])
        if any(not _PART_NAME.fullmatch(part.name) for part in parts):
            raise ValueError("a part's name")
        manifest = Manifest(**{**document, "parts": parts, "notes": tuple(document["notes"])})
        _ = manifest.made_at_s, manifest.sealed_bytes
    except (ValueError, TypeError, KeyError, AttributeError):
        raise SetDamaged(
            f"The manifest of set {set_id} cannot be read.",
            next_step="take another set (`sophia backup list`).",
        ) from None
    if manifest.stack != stack or manifest.set_id != set_id:
        raise SetForeign(
            f"Set {set_id} says it is {manifest.set_id} of stack {manifest.stack}; asked for was one of "
            f"stack {stack}.",
            next_step=f"name that stack: `sophia backup list --stack {manifest.stack}`.",
        )
    return manifest
