"""YAML as nodes that know their place, with the scalar rules of ESC (YAML 1.2: `yes` and dates are text)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

__all__ = ["YamlRefused", "compose", "entries", "node_at", "scalar_value"]

_TAG = "tag:yaml.org,2002:"
_MAX_NODES = 50_000


class YamlRefused(ValueError):
    """The text is no YAML that ESC reads. `line` is 1-based, None when unknown; no text is repeated."""

    def __init__(self, message: str, line: int | None) -> None:
        self.line = line
        super().__init__(message)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012, declared so by PyYAML

    _count = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._count += 1
        if self._count > _MAX_NODES:
            raise yaml.MarkedYAMLError(problem="too many values")
        if self.check_event(yaml.AliasEvent):
            # One node in two places has no place of its own, and a few of them are a bomb.
            raise yaml.MarkedYAMLError(problem="aliases are not accepted", problem_mark=self._mark())
        return super().compose_node(parent, index)

    def _mark(self) -> yaml.Mark:
        mark: yaml.Mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        return mark


for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_pattern})$"), _first)


def compose(text: str) -> yaml.Node | None:
    """The root node; None for an empty text. Raises YamlRefused."""
    loader = None
    try:
        loader = _Loader(text)
        root: yaml.Node | None = loader.get_single_node()
        return root
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise YamlRefused(str(error.problem), line) from None
    except (yaml.YAMLError, RecursionError):
        raise YamlRefused("a character that is not allowed, or too deep nesting", None) from None
    finally:
        if loader is not None:
            loader.dispose()


def scalar_value(node: yaml.ScalarNode) -> str | int | float | bool | None:
    """The scalar as ESC reads it; tags of other kinds are text."""
    text = str(node.value)
    match node.tag.removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text)
        case "float":
            return float(text)
    return text


def entries(node: yaml.MappingNode) -> Iterator[tuple[str, yaml.ScalarNode, yaml.Node]]:
    """Key text, key node and value node of each entry; an entry whose key is no scalar is left out."""
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            yield str(key.value), key, value


def node_at(root: yaml.Node | None, path: tuple[str | int, ...]) -> yaml.Node | None:
    """The node at `path`, None when there is none; the last of doubled keys."""
    node = root
    for accessor in path:
        if isinstance(node, yaml.MappingNode) and isinstance(accessor, str):
            node = next((value for key, _, value in reversed(list(entries(node))) if key == accessor), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(accessor, int):
            node = node.value[accessor] if accessor < len(node.value) else None
        else:
            return None
    return node
