"""From method and raw path to an operation of the document."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote

from sophia_infra.emulator.document import Operation, operations

__all__ = ["Match", "match_route"]


@dataclass(frozen=True, slots=True)
class Match:
    """What a path means.

    `operation` is None when the path exists but not with this method; `allowed` are its methods then.
    """

    operation: Operation | None
    params: dict[str, str]
    allowed: tuple[str, ...]


_Pattern = tuple[tuple[str, ...], dict[str, Operation]]


@cache
def _patterns() -> dict[int, list[_Pattern]]:
    """Templates by number of segments, literal ones first, each with its operations by method."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations().values():
        by_path.setdefault(operation.path, {})[operation.method] = operation
    patterns: dict[int, list[_Pattern]] = {}
    for path in sorted(by_path, key=lambda one: one.count("{")):
        segments = tuple(path.strip("/").split("/"))
        patterns.setdefault(len(segments), []).append((segments, by_path[path]))
    return patterns


def match_route(method: str, raw_path: bytes) -> Match | None:
    """The operation that `raw_path` (still percent-encoded, so `%2F` stays inside an id) names.

    None when no path of the document fits.
    """
    segments = raw_path.decode("latin-1").split("/")[1:]
    for template, by_method in _patterns().get(len(segments), ()):
        params: dict[str, str] = {}
        for expected, given in zip(template, segments, strict=True):
            if expected.startswith("{"):
                if not given:
                    break
                params[expected[1:-1]] = unquote(given)
            elif expected != given:
                break
        else:
            return Match(by_method.get(method), params, tuple(sorted(by_method)))
    return None
