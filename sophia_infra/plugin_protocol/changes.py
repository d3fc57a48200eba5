"""What differs between two plain values, by property path. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sophia_infra.plugin_protocol.unknown import UNKNOWN

__all__ = ["Change", "Difference", "Route", "find_changes", "show_route"]

Change = Literal["add", "delete", "update"]
Route = tuple[str | int, ...]
"""Keys and list positions from the top: ("spec", "containers", 0, "image")."""

_PLAIN_KEY = re.compile(r"[A-Za-z_$][\w$]*")


@dataclass(frozen=True, slots=True)
class Difference:
    """What has changed; `replaces` are those changes that cannot be made in place."""

    changes: Mapping[Route, Change]
    replaces: frozenset[Route] = frozenset()
    delete_first: bool = False


def find_changes(old: Any, new: Any) -> dict[Route, Change]:
    """The smallest places that differ, in the order of `new`, deletions after it.

    Lists are compared position by position. UNKNOWN differs from everything. 1 equals 1.0, and no bool
    equals a number.
    """
    found: dict[Route, Change] = {}
    _compare(old, new, (), found)
    return found


def show_route(route: Route) -> str:
    """A property path as Pulumi writes it: metadata.labels["app.kubernetes.io/name"], spec.ports[0].port."""
    text = ""
    for part in route:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            quoted = part.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{quoted}"]'
    return text


def _compare(old: Any, new: Any, route: Route, found: dict[Route, Change]) -> None:
    if new is UNKNOWN or old is UNKNOWN:
        found[route] = "update"
    elif isinstance(old, dict) and isinstance(new, dict):
        for key, item in new.items():
            if key not in old:
                found[(*route, key)] = "add"
            else:
                _compare(old[key], item, (*route, key), found)
        for key in old:
            if key not in new:
                found[(*route, key)] = "delete"
    elif isinstance(old, list) and isinstance(new, list):
        for position in range(max(len(old), len(new))):
            if position >= len(old):
                found[(*route, position)] = "add"
            elif position >= len(new):
                found[(*route, position)] = "delete"
            else:
                _compare(old[position], new[position], (*route, position), found)
    elif isinstance(old, bool) != isinstance(new, bool) or old != new:
        found[route] = "update"
