"""Resources as plain data: what a rule sees, whoever asks (the engine, a test, another pack).

A value that a preview cannot know yet is `UNKNOWN`, wherever it stands. A rule has to look at it on
purpose; nothing that is unknown reads as absent, empty or false.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pulumi_policy import proxy

__all__ = ["UNKNOWN", "Resource", "Unknown", "entries", "is_unknown", "plain", "read", "text_of"]

_SENTINELS = frozenset(
    {
        proxy.UNKNOWN_BOOLEAN_VALUE,
        proxy.UNKNOWN_NUMBER_VALUE,
        proxy.UNKNOWN_STRING_VALUE,
        proxy.UNKNOWN_ARRAY_VALUE,
        proxy.UNKNOWN_ASSET_VALUE,
        proxy.UNKNOWN_ARCHIVE_VALUE,
        proxy.UNKNOWN_OBJECT_VALUE,
    }
)


class Unknown:
    """The type of `UNKNOWN`. It has no truth value, so that no rule takes it for false by accident."""

    def __bool__(self) -> bool:
        raise TypeError("an unknown value is neither true nor false: ask is_unknown() first")

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


def is_unknown(value: object) -> bool:
    """Whether a preview cannot know `value` yet."""
    return value is UNKNOWN


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the stack.

    Attributes:
        type: type token, for example `kubernetes:apps/v1:Deployment`.
        name: logical name, the last part of the URN.
        props: inputs (before the step) or outputs (at the end), plain, camelCase for Kubernetes; secrets
            stand there as plain values, so a rule never repeats a value in its text.
        is_protected: the option `protect`.
    """

    type: str
    name: str
    props: Mapping[str, Any] = field(default_factory=dict)
    urn: str = ""
    is_protected: bool = False


def plain(value: Any) -> Any:
    """`value` without the SDK's proxies and with `UNKNOWN` for its marks; whole floats become integers.

    The engine knows no integers, so 3 arrives as 3.0 and would print so.
    """
    if isinstance(value, str):
        return UNKNOWN if value in _SENTINELS else value
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        inner = value["__target"] if isinstance(value, proxy._DictProxy) else value
        return {key: plain(item) for key, item in inner.items()}
    if isinstance(value, (list, tuple, proxy._ListProxy)):
        listed = value["__target"] if isinstance(value, proxy._ListProxy) else value
        return [plain(item) for item in listed]
    return value


def read(value: Any, *path: str) -> Any:
    """What stands at `path` in nested mappings: None when absent, `UNKNOWN` when on the way something is."""
    for part in path:
        if value is UNKNOWN:
            return UNKNOWN
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def entries(value: Any) -> Iterator[Any]:
    """The items of a list; nothing for what is absent, `UNKNOWN` once for a list that is unknown."""
    if value is UNKNOWN:
        yield UNKNOWN
    elif isinstance(value, (list, tuple)):
        yield from value


def text_of(value: Any) -> str:
    """`value` as text when it is text, else an empty text. Ask `is_unknown` first."""
    return value if isinstance(value, str) else ""
