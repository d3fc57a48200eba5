"""Whether two dumps hold the same rows: for each table their number, and a digest that no order changes.

Read from SQL text with COPY blocks, line by line. The digest is the sum of the SHA-256 of all lines modulo
2**256: a server may give rows in another order after they were brought back.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["TableRows", "rows_of_text"]

_COPY: Final = re.compile(rb"COPY (.+) \(.*\) FROM stdin;")
_MODULUS: Final = 1 << 256


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows of one table, and the digest over all of them."""

    rows: int
    digest: int


def rows_of_text(chunks: Iterable[bytes]) -> dict[str, TableRows]:
    """Table ("schema.name") -> its rows. Memory: one line."""
    found: dict[str, TableRows] = {}
    table: str | None = None
    rows = digest = 0
    for line in _lines(chunks):
        if table is None:
            begun = _COPY.fullmatch(line)
            if begun:
                table, rows, digest = begun[1].decode(errors="replace"), 0, 0
        elif line == rb"\.":
            found[table] = TableRows(rows, digest)
            table = None
        else:
            rows += 1
            digest = (digest + int.from_bytes(hashlib.sha256(line).digest(), "big")) % _MODULUS
    return found


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest
