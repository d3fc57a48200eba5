"""Texts from outside, as they may be shown on a terminal."""

from __future__ import annotations

import unicodedata

__all__ = ["printable"]

_STEERING = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def printable(text: str) -> str:
    """`text` on one line, without characters that steer a terminal or turn the direction of writing."""
    line = " ".join(text.split())
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _STEERING else c for c in line)
