"""An environment that was opened: values by path, secrets still secret."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from sophia_infra.esc.errors import NotASecret, PathMissing, UnexpectedAnswer
from sophia_infra.esc.property_path import InvalidPath, PropertyPath, format_path, parse_path
from sophia_infra.esc.secret_text import SecretText

__all__ = ["CHECKSUM_KEY_PATH", "Leaf", "OpenedEnvironment", "leaves_of"]

CHECKSUM_KEY_PATH = "kubernetes.checksum_key"
"""The secret that keys the checksums; rotating it restarts every consumer once."""

Leaf = SecretText | str | int | float | bool | None

_CHECKSUM_CHARACTERS = 32


@dataclass(frozen=True)
class OpenedEnvironment:
    """What one revision of an environment evaluates to.

    Attributes:
        identity: `organization/project/environment`.
        revision: its number, 1 and up.
        values: property path of every leaf -> `SecretText`, or the plain value.
    """

    identity: str
    revision: int
    values: Mapping[str, Leaf] = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))

    def leaf(self, path: str) -> Leaf:
        """The value at `path`, written in any of the ways that ESC reads. Raises PathMissing."""
        try:
            return self.values[format_path(parse_path(path))]
        except (InvalidPath, KeyError):
            raise PathMissing(path, self.identity, self.values) from None

    def secret(self, path: str) -> SecretText:
        """The secret at `path`. Raises PathMissing, and NotASecret for a plain value."""
        found = self.leaf(path)
        if not isinstance(found, SecretText):
            raise NotASecret(path, self.identity)
        return found

    def checksum(self, paths: Iterable[str]) -> str:
        """32 hex digits that change when one of the values changes, and with nothing else.

        Meant for an annotation of a pod template, which people may read who may not read secrets. So it is
        an HMAC-SHA256 whose key is itself a secret (`CHECKSUM_KEY_PATH`): without the key not even a
        four-digit PIN can be tried against it, which a salt that everybody knows would allow. An environment
        without that key gets one from scrypt over the environment's name, the values and their paths: each
        guess then costs 16 MiB and tens of milliseconds, which slows guessing down and does not stop it.
        The name is part of the message, so equal values in two environments give different checksums; the
        revision is not, so a new revision restarts only those whose values it changed.

        Raises:
            PathMissing: one of `paths` names no value.
        """
        message = hashlib.sha256(self.identity.encode())
        for path in sorted({format_path(self._known(path)) for path in paths}):
            value = self.values[path]
            text = value.reveal() if isinstance(value, SecretText) else json.dumps(value)
            for part in (path.encode(), type(value).__name__.encode(), text.encode("utf-8", "surrogatepass")):
                message.update(len(part).to_bytes(8, "big") + part)
        if self._checksum_key is not None:
            code = hmac.new(self._checksum_key, message.digest(), "sha256").hexdigest()
        else:
            salt = hashlib.sha256(self.identity.encode()).digest()
            code = hashlib.scrypt(message.digest(), salt=salt, n=2**14, r=8, p=1, dklen=32).hex()
        return code[:_CHECKSUM_CHARACTERS]

    @cached_property
    def _checksum_key(self) -> bytes | None:
        key = self.values.get(CHECKSUM_KEY_PATH)
        return key.reveal().encode() if isinstance(key, SecretText) and not key.is_empty else None

    def _known(self, path: str) -> PropertyPath:
        self.leaf(path)
        return parse_path(path)


def leaves_of(properties: Mapping[str, object]) -> dict[str, Leaf]:
    """Flatten ESC's `{name: {value, secret?, unknown?}}` to leaves; all below a secret is secret.

    Raises:
        UnexpectedAnswer: another shape, or a value that is not known after opening.
    """
    return {
        format_path(path): value
        for name, wrapped in properties.items()
        for path, value in _walk(wrapped, (name,), secret=False)
    }


def _walk(wrapped: object, path: PropertyPath, *, secret: bool) -> Iterator[tuple[PropertyPath, Leaf]]:
    if not isinstance(wrapped, Mapping) or wrapped.get("unknown"):
        raise UnexpectedAnswer(f"ESC gave no known value for {format_path(path)}.")
    secret = secret or bool(wrapped.get("secret"))
    value = wrapped.get("value")
    if isinstance(value, Mapping):
        for name, child in value.items():
            yield from _walk(child, (*path, str(name)), secret=secret)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _walk(child, (*path, index), secret=secret)
    elif value is None or isinstance(value, str | int | float):
        yield path, SecretText(_as_text(value)) if secret else value
    else:
        raise UnexpectedAnswer(f"ESC gave a value of an unknown kind for {format_path(path)}.")


def _as_text(value: str | float | bool | None) -> str:
    return value if isinstance(value, str) else json.dumps(value)
