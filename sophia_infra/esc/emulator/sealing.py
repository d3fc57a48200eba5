"""Secrets at rest: the stored text holds ciphertexts, as that of the real service does.

AES-256-GCM in ESC's envelope (`escx`, version, ciphertext, CRC-32; base64). The key lies in a file of its own
beside the state file, both 0600. That protects a state file that is copied, committed or attached to a
report; it does not protect against somebody who can read both files, which is the user himself.
"""

from __future__ import annotations

import base64
import binascii
import os
import zlib
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sophia_infra.esc.secret_editing import quoted, replace_places, secret_places

__all__ = ["Sealer", "load_or_make_key"]

_MAGIC = b"escx" + (1).to_bytes(4, "big")
_NONCE_BYTES = 12
_KEY_BYTES = 32


class Sealer:
    """Seals and opens the secrets of definitions with one key."""

    def __init__(self, key: bytes | None = None) -> None:
        self._cipher = AESGCM(key if key is not None else AESGCM.generate_key(256))

    def seal(self, plaintext: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, plaintext.encode("utf-8", "surrogatepass"), None)
        body = _MAGIC + nonce + sealed
        return base64.b64encode(body + zlib.crc32(body).to_bytes(4, "big")).decode()

    def unseal(self, ciphertext: str) -> str:
        """Raises ValueError; its message holds nothing of the text."""
        try:
            body = base64.b64decode(ciphertext, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("not base64") from None
        if len(body) < len(_MAGIC) + _NONCE_BYTES + 4 or not body.startswith(_MAGIC):
            raise ValueError("invalid header")
        if zlib.crc32(body[:-4]).to_bytes(4, "big") != body[-4:]:
            raise ValueError("invalid checksum")
        nonce, sealed = body[8 : 8 + _NONCE_BYTES], body[8 + _NONCE_BYTES : -4]
        try:
            return self._cipher.decrypt(nonce, sealed, None).decode("utf-8", "surrogatepass")
        except InvalidTag:
            raise ValueError("sealed with another key") from None

    def seal_text(self, text: str) -> str:
        """`text` with every literal secret as a ciphertext; the rest, comments too, stays."""
        changes = [
            (place, f"{{ciphertext: {self.seal(place.plaintext)}}}")
            for place in secret_places(text)
            if place.plaintext is not None
        ]
        return replace_places(text, changes)

    def unseal_text(self, text: str) -> str:
        """The opposite. Raises ValueError for a ciphertext of another key."""
        changes = [
            (place, quoted(self.unseal(place.ciphertext)))
            for place in secret_places(text)
            if place.ciphertext is not None
        ]
        return replace_places(text, changes)


def load_or_make_key(path: Path) -> bytes:
    """The key in `path`, made with mode 0600 when there is none. ValueError for a file of another kind."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = path.read_bytes()
        if len(key) != _KEY_BYTES:
            raise ValueError(f"{path} is no key of {_KEY_BYTES} bytes") from None
        return key
    with os.fdopen(descriptor, "wb") as file:
        key = os.urandom(_KEY_BYTES)
        file.write(key)
    return key
