"""The key of the copies: 32 bytes in base64, from the environment or a file, never in a stack file."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sophia_infra.backup.errors import KeyRefused
from sophia_infra.engine.home import write_private_file

__all__ = ["BackupKey", "new_key_file", "parse_key", "read_key"]

_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class BackupKey:
    """`secret` is not shown by repr. `id` names the key and reveals nothing of it: 12 hex digits."""

    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        return self.mac(b"sophia-backup key id")[:12]

    def mac(self, message: bytes) -> str:
        """HMAC-SHA256 in hex."""
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()


def parse_key(text: str, source: str) -> BackupKey:
    """The key that `text` spells. Raises KeyRefused, which does not repeat the text."""
    try:
        secret = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != _KEY_BYTES:
        raise KeyRefused(
            f"{source} holds no key: 32 bytes in base64 (44 characters) are expected, and no passphrase.",
            next_step="`sophia backup new-key FILE` makes one.",
        )
    return BackupKey(secret)


def read_key(variable: str, environ: Mapping[str, str] = os.environ) -> BackupKey | None:
    """The key in `variable`, or in the file that `variable`_FILE names; None when neither is set.

    Raises KeyRefused.
    """
    text = environ.get(variable)
    if text:
        return parse_key(text, variable)
    file = environ.get(f"{variable}_FILE")
    if not file:
        return None
    try:
        return parse_key(Path(file).expanduser().read_text(encoding="ascii"), file)
    except (OSError, UnicodeDecodeError) as error:
        raise KeyRefused(
            f"{variable}_FILE names {file}, which cannot be read ({type(error).__name__}).",
            next_step="correct the path or its permissions.",
        ) from None


def new_key_file(file: Path) -> BackupKey:
    """Write a new key to `file`, mode 0600. Raises KeyRefused when there is something already."""
    if file.exists():
        raise KeyRefused(
            f"{file} exists; a key that was overwritten would leave its copies closed for ever.",
            next_step="name another file.",
        )
    key = BackupKey(secrets.token_bytes(_KEY_BYTES))
    write_private_file(file, base64.b64encode(key.secret).decode() + "\n")
    return key
