"""Whether the values for a chart use only keys that the chart reads.

Charts take any key in silence: a misspelt one installs with the default. So each path is looked up in the
chart's own list of keys (section 14 of the project's Kubernetes facts). The lists err on the side of
accepting: what templates read inside loops was not traced, and charts inside a chart may have no list.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from sophia_infra.charts.packaged import load_data
from sophia_infra.charts.pins import Chart, find_chart

__all__ = ["check_values"]

_FREE, _BOOLEAN = "*", "b"
_TEXT_FOR_BOOLEAN = frozenset({"true", "false", "yes", "no", "on", "off"})
_FAR_MATCHES = 3


def check_values(chart: str | Chart, values: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with `values`, one sentence each, in their order; empty when nothing is.

    Found are: keys that the chart does not read (the closest one is named), a single value where the chart
    has a map (Helm would drop it with a warning), a map where it has a single value, and the words "true"
    and "false" as text, which a template takes for true both. `None` is accepted anywhere: it removes a
    default. Lists are not looked into. Values themselves are never quoted: they may be secret.

    Args:
        chart: a pinned chart or its name.
        values: as Helm takes them; leaves may be objects of any kind, for example unresolved outputs.

    Raises:
        UnknownChart: no chart of this name is pinned.
    """
    pinned = find_chart(chart) if isinstance(chart, str) else chart
    tree = _key_tree(pinned.name)
    subject = f"{pinned.name} {pinned.version}"
    return [f"{subject}: {problem}" for problem in _problems(values, tree, (), tree)]


@cache
def _key_tree(chart: str) -> dict[str, Any]:
    tree: dict[str, Any] = load_data(f"keys-{chart}")
    return tree


def _problems(
    values: Mapping[Any, Any], node: Mapping[str, Any], above: tuple[str, ...], tree: Mapping[str, Any]
) -> Iterator[str]:
    for raw_key, value in values.items():
        key = str(raw_key)
        path = (*above, key)
        known = node.get(key)
        if known is None:
            yield f"{_dotted(path)} is not a value of this chart{_closest(path, node, tree)}"
        elif known == _FREE:
            continue
        elif isinstance(known, dict):
            if isinstance(value, Mapping):
                yield from _problems(value, known, path, tree)
            elif isinstance(value, str | int | float | list | tuple):
                yield f"{_dotted(path)} is a map in this chart, with keys {_listed(known)}"
        elif isinstance(value, Mapping):
            yield f"{_dotted(path)} is a single value in this chart, not a map"
        elif known == _BOOLEAN and isinstance(value, str) and value.casefold() in _TEXT_FOR_BOOLEAN:
            yield f"{_dotted(path)} is text here; write true or false without quotes"


def _closest(path: tuple[str, ...], siblings: Mapping[str, Any], tree: Mapping[str, Any]) -> str:
    """A hint at the key that was meant: a near one beside it, the same name elsewhere, or what there is."""
    by_folded = {sibling.casefold(): sibling for sibling in siblings}
    near = difflib.get_close_matches(path[-1].casefold(), by_folded, n=1)
    if near:
        return f", did you mean {_dotted((*path[:-1], by_folded[near[0]]))}?"
    elsewhere = sorted(_paths_ending_in(path[-1], tree, ()), key=lambda found: (found.count("."), found))
    if elsewhere:
        more = " and others" if len(elsewhere) > _FAR_MATCHES else ""
        return f"; it has {', '.join(elsewhere[:_FAR_MATCHES])}{more}"
    return f"; keys in this place: {_listed(siblings)}"


def _paths_ending_in(name: str, node: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[str]:
    for key, below in node.items():
        if key == name:
            yield _dotted((*above, key))
        if isinstance(below, dict):
            yield from _paths_ending_in(name, below, (*above, key))


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(key.replace("\\", "\\\\").replace(".", "\\.") for key in path)


def _listed(node: Mapping[str, Any]) -> str:
    names = list(node)
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
