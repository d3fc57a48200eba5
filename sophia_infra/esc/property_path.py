"""Property paths as ESC, its SDKs and the External Secrets Operator write them: `a.b`, `a["b.c"]`, `a[0]`."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["Accessor", "InvalidPath", "PropertyPath", "format_path", "parse_path", "scan_path"]

Accessor = str | int
PropertyPath = tuple[Accessor, ...]

_ENDS_NAME = re.compile(r"[.\[}\s]")
_PLAIN_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
_SUBSCRIPT = re.compile(r'\["((?:\\"|[^"])*)"\]|\[([0-9]+)\]')


class InvalidPath(ValueError):
    """The text is no property path. The message says why, in the words of ESC's evaluator."""


def parse_path(text: str) -> PropertyPath:
    """The accessors of a whole path. Raises InvalidPath."""
    accessors, end = scan_path(text, 0, closing=None)
    if end != len(text):
        raise InvalidPath(f"unexpected {text[end]!r}")
    return accessors


def scan_path(text: str, start: int, *, closing: str | None) -> tuple[PropertyPath, int]:
    """Accessors from `start` on, and where they end: behind `closing`, or at the end of the text for None.

    Raises:
        InvalidPath: an empty name, an open quote or bracket, a first accessor that is a number.
    """
    found: list[Accessor] = []
    at = start
    while True:
        if at == len(text):
            if closing is not None:
                raise InvalidPath(f"missing closing brace '{closing}' in interpolation")
            break
        character = text[at]
        if character == closing:
            at += 1
            break
        if character == "[":
            accessor, at = _subscript(text, at)
            if isinstance(accessor, int) and not found:
                raise InvalidPath(
                    "the first accessor must be a property name or key subscript, not a numeric subscript"
                )
            found.append(accessor)
            continue
        if character.isspace() and closing is not None:
            raise InvalidPath(f"missing closing brace '{closing}' in interpolation")
        at += character == "."
        end = _ENDS_NAME.search(text, at)
        stop = end.start() if end else len(text)
        if stop == at:
            raise InvalidPath("property name must not be empty")
        found.append(text[at:stop])
        at = stop
    if not found:
        raise InvalidPath("property access expressions cannot be empty")
    return tuple(found), at


def _subscript(text: str, at: int) -> tuple[Accessor, int]:
    match = _SUBSCRIPT.match(text, at)
    if match is None:
        if not text.startswith('["', at):
            raise InvalidPath("numeric subscript must be a positive base-10 integer in closed brackets")
        raise InvalidPath("key subscript is missing closing quote or bracket")
    if match[2] is not None:
        return int(match[2]), match.end()
    if not match[1]:
        raise InvalidPath("key subscript must not be empty")
    return match[1].replace('\\"', '"'), match.end()


def format_path(accessors: Sequence[Accessor]) -> str:
    """The shortest text that `parse_path` reads back as `accessors`."""
    text = ""
    for accessor in accessors:
        if isinstance(accessor, int):
            text += f"[{accessor}]"
        elif _PLAIN_NAME.fullmatch(accessor):
            text += f".{accessor}" if text else accessor
        else:
            quoted = accessor.replace('"', '\\"')
            text += f'["{quoted}"]'
    return text
