"""Seal a stream of bytes, and open it again: AES-256-GCM in chunks, so that nothing is whole in memory.

`SOPHBAK1`, 16 bytes of salt, then chunks of 1 MiB of plain text with a tag of 16 bytes each. The key of a
part comes from the set's key by HKDF-SHA256 with that salt and the part's own name: a part that is moved to
another set, or takes another's name, does not open. The nonce counts the chunks and marks the last one (the
STREAM construction), so chunks that are left out, swapped, repeated or cut off do not open either.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sophia_infra.backup.errors import SetDamaged
from sophia_infra.backup.key import BackupKey

__all__ = ["CHUNK_BYTES", "seal", "unseal"]

CHUNK_BYTES: Final = 1 << 20
_MAGIC: Final = b"SOPHBAK1"
_SALT_BYTES: Final = 16
_TAG_BYTES: Final = 16
_HEADER_BYTES: Final = len(_MAGIC) + _SALT_BYTES


def seal(chunks: Iterable[bytes], key: BackupKey, context: str) -> Iterator[bytes]:
    """The sealed stream of `chunks`, of any sizes.

    Args:
        context: names the part within its set, "<set id>/<part>"; the same is needed to open it.
    """
    salt = os.urandom(_SALT_BYTES)
    cipher = _cipher(key, salt, context)
    yield _MAGIC + salt
    for number, (chunk, is_last) in enumerate(_equal_pieces(chunks, CHUNK_BYTES)):
        yield cipher.encrypt(_nonce(number, is_last), chunk, None)


def unseal(chunks: Iterable[bytes], key: BackupKey, context: str) -> Iterator[bytes]:
    """The plain stream. Each piece was authenticated before it is given; the end is real only when this ends.

    Raises SetDamaged: it was changed or cut off, or sealed with another key or for another part.
    """
    pieces = iter(chunks)
    header = b""
    for piece in pieces:
        header += piece
        if len(header) >= _HEADER_BYTES:
            break
    if not header.startswith(_MAGIC) or len(header) < _HEADER_BYTES:
        raise _damaged(context)
    cipher = _cipher(key, header[len(_MAGIC) : _HEADER_BYTES], context)
    rest = _chain(header[_HEADER_BYTES:], pieces)
    for number, (chunk, is_last) in enumerate(_equal_pieces(rest, CHUNK_BYTES + _TAG_BYTES)):
        try:
            yield cipher.decrypt(_nonce(number, is_last), chunk, None)
        except (InvalidTag, ValueError):
            raise _damaged(context) from None


def _cipher(key: BackupKey, salt: bytes, context: str) -> AESGCM:
    info = b"sophia-backup part " + context.encode()
    return AESGCM(HKDF(SHA256(), 32, salt, info).derive(key.secret))


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


def _equal_pieces(chunks: Iterable[bytes], size: int) -> Iterator[tuple[bytes, bool]]:
    """Pieces of `size` bytes and whether each is the last; at least one, which may be empty."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) > size:
            yield bytes(held[:size]), False
            del held[:size]
    yield bytes(held), True


def _chain(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _damaged(context: str) -> SetDamaged:
    return SetDamaged(
        f"{context} cannot be opened: it was changed or cut off since it was sealed.",
        next_step="take an older set (`sophia backup list`), and look after the disk or bucket.",
    )
