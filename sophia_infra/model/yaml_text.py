"""YAML with line numbers, read the way the engine reads it, and stricter about what people get wrong.

Differences from PyYAML's safe loader: only what YAML 1.2 calls so is a number, true, false or null (`yes`,
`22:30` and `2026-08-20` stay text, as in the engine), a key given twice is a finding instead of the last
one winning, and tags and self-reference are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from sophia_infra.model.yaml_loader import SafeLoader

__all__ = ["Path", "YamlDocument", "YamlFinding", "read_yaml"]

Path = tuple[str | int, ...]

MAX_NODES = 100_000
_TAG = "tag:yaml.org,2002:"


class _Loader(SafeLoader):
    """Only composes; the scalar rules are those of the YAML 1.2 core schema without octal and hex."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012, declared so by PyYAML


for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]{1,18}", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_pattern})$"), _first)


@dataclass(frozen=True, slots=True)
class YamlFinding:
    """Something wrong with the text itself. `line` is 1-based, None when unknown."""

    path: Path
    line: int | None
    message: str


@dataclass(slots=True)
class YamlDocument:
    """What a text says, and where.

    Attributes:
        value: mappings, lists and scalars; None for an empty text or one that is not YAML.
        lines: path of every value -> 1-based line of its key, or of the value in a list.
        findings: in the order of the text. With findings, `value` has what could still be read.
    """

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    findings: list[YamlFinding] = field(default_factory=list)


def read_yaml(text: str) -> YamlDocument:
    """Read one document. Never raises for bad text: see `findings`."""
    document = YamlDocument()
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
        if root is not None:
            document.value = _Walk(document).value_of(root, ())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        document.findings.append(YamlFinding((), line, f"is not YAML: {error.problem}"))
    except yaml.YAMLError:
        document.findings.append(YamlFinding((), None, "is not YAML: a character that is not allowed"))
    except RecursionError:
        document.findings.append(YamlFinding((), None, "is nested too deeply"))
    return document


class _Walk:
    """One pass over the composed nodes."""

    def __init__(self, document: YamlDocument) -> None:
        self._document = document
        self._open: set[int] = set()
        self._count = 0

    def value_of(self, node: yaml.Node, path: Path) -> Any:
        self._count += 1
        if self._count > MAX_NODES:
            raise yaml.MarkedYAMLError(problem="too many values", problem_mark=node.start_mark)
        if id(node) in self._open:
            self._report(path, node, "refers to itself")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self._item(child, (*path, at)) for at, child in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._open.discard(id(node))

    def _item(self, node: yaml.Node, path: Path) -> Any:
        self._document.lines[path] = _line(node)
        return self.value_of(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, key_node, value_node in self._keys(node, path):
            here = (*path, key)
            if key in found:
                first = self._document.lines[here]
                self._report(here, key_node, f"is given twice, first in line {first}")
                continue
            self._document.lines[here] = _line(key_node)
            found[key] = self.value_of(value_node, here)
        return found

    def _keys(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        for key_node, value_node in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.tag == _TAG + "str":
                yield key_node.value, key_node, value_node
            else:
                self._report(path, key_node, "has a key that is not text; put it in quotes")

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        text = node.value
        match node.tag.removeprefix(_TAG):
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" if re.fullmatch(r"[-+]?[0-9]{1,18}", text):
                return int(text)
            case "float":
                try:
                    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
                except ValueError:
                    pass
        self._report(path, node, "has a tag that is not understood here")
        return None

    def _report(self, path: Path, node: yaml.Node, message: str) -> None:
        self._document.findings.append(YamlFinding(path, _line(node), message))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
