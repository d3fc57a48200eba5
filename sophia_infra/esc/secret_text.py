"""A secret that nothing prints by accident."""

from __future__ import annotations

import hmac
from typing import NoReturn

__all__ = ["HIDDEN", "SecretText"]

HIDDEN = "(secret)"


class SecretText:
    """Text that only `reveal` gives out: not str, repr, format, json, pickle or a traceback's locals.

    It is no `str` on purpose: an f-string, a join or a log call shows `(secret)`, and what wants real text
    fails instead of leaking. Comparing takes the same time for every value.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself. Hand it on at once; keep it in nothing that is printed."""
        return self._text

    @property
    def is_empty(self) -> bool:
        """Whether it is named but has no value yet."""
        return not self._text

    def __str__(self) -> str:
        return HIDDEN

    def __repr__(self) -> str:
        return f"SecretText{HIDDEN}"

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretText):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    # A hash in a set or a log of one would let a guess be tested.
    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")
