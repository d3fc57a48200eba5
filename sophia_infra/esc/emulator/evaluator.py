"""Evaluates one definition: imports first, then its own values over them.

The rules and the words of the findings follow ESC's evaluator (pulumi/esc, `eval` and `ast`, 2026-06). Not
here, and refused with a finding: providers (`fn::open`, `fn::rotate`), `fn::final`, `fn::split`,
`fn::validate`, `${context...}` and `${environments...}`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import yaml

from sophia_infra.esc.emulator.diagnostics import Findings
from sophia_infra.esc.emulator.expressions import Expression, Scope
from sophia_infra.esc.emulator.values import UNKNOWN, Value
from sophia_infra.esc.yaml_marks import YamlRefused, compose, entries, scalar_value

__all__ = ["Evaluated", "LoadFailed", "Loader", "evaluate"]

_FIELDS = ("description", "imports", "values")
_RESERVED = frozenset({"imports", "context", "environments"})


class LoadFailed(Exception):
    """An import cannot be read; the message becomes the finding."""


class Loader(Protocol):
    """Gives the text of an import and the function that opens its ciphertexts."""

    def __call__(self, name: str, /) -> tuple[str, Callable[[str], str]]: ...


@dataclass(slots=True)
class Evaluated:
    """The values of an environment, and all findings on the way."""

    values: dict[str, Value]
    findings: Findings


@dataclass(slots=True)
class _Imports:
    """Each environment of the import closure is evaluated once; `None` stands for one under way."""

    load: Loader
    done: dict[str, Value | None] = field(default_factory=dict)


def evaluate(name: str, text: str, unseal: Callable[[str], str], load: Loader) -> Evaluated:
    """Evaluate `text` as environment `name` (`project/environment`). Never raises for bad text."""
    findings = Findings(name)
    value = _evaluate(name, text, unseal, _Imports(load), findings)
    return Evaluated(value.content if isinstance(value.content, dict) else {}, findings)


def _evaluate(
    name: str, text: str, unseal: Callable[[str], str], imports: _Imports, findings: Findings
) -> Value:
    imports.done[name] = None
    mine = Findings(name)
    try:
        root = compose(text)
    except YamlRefused as error:
        place = f", line {error.line}" if error.line else ""
        mine.add(None, "", f"not YAML{place}: {error}")
        findings.all += mine.all
        return UNKNOWN
    fields = _fields(root, mine)
    base, by_name = _imported(fields.get("imports"), imports, mine)
    value = Value({}).over(base) if base is not None else Value({})
    values = fields.get("values")
    if isinstance(values, yaml.MappingNode):
        scope = Scope(mine, unseal, by_name)
        scope.root = Expression(scope, values, "values", base, is_root=True)
        _refuse_reserved(values, mine)
        value = scope.root.evaluate()
    elif values is not None and not _is_null(values):
        mine.add(values, "values", "values must be an object")
    imports.done[name] = value
    findings.all += mine.all
    return value


def _fields(root: yaml.Node | None, findings: Findings) -> dict[str, yaml.Node]:
    if root is None or _is_null(root):
        return {}
    if not isinstance(root, yaml.MappingNode):
        findings.add(root, "", "environment must be an object")
        return {}
    found: dict[str, yaml.Node] = {}
    for key, key_node, value in entries(root):
        if key in found:
            findings.add(key_node, key, f'duplicate key "{key}"', warning=True)
        if key not in _FIELDS:
            known = ", ".join(f"'{one}'" for one in _FIELDS)
            findings.add(
                key_node,
                key,
                f"Field '{key}' does not exist on Object 'environment'. Existing fields are: {known}",
                warning=True,
            )
        found[key] = value
    return found


def _imported(
    node: yaml.Node | None, imports: _Imports, findings: Findings
) -> tuple[Value | None, dict[str, Value]]:
    """All merged imports, later over earlier, and each by its name."""
    base: Value | None = None
    by_name: dict[str, Value] = {}
    if node is None or _is_null(node):
        return None, {}
    if not isinstance(node, yaml.SequenceNode):
        findings.add(node, "imports", "imports must be a list")
        return None, {}
    for index, item in enumerate(node.value):
        name, merge = _import_of(item, f"imports[{index}]", findings)
        value = None if name is None else _import(name, item, f"imports[{index}]", imports, findings)
        if name is None or value is None:
            continue
        by_name[name] = value
        if merge:
            base = value.over(base)
    return base, by_name


def _import_of(item: yaml.Node, path: str, findings: Findings) -> tuple[str | None, bool]:
    if isinstance(item, yaml.ScalarNode) and isinstance(scalar_value(item), str):
        return str(item.value), True
    if not isinstance(item, yaml.MappingNode):
        findings.add(item, path, "import must be a string or an object")
        return None, False
    found = list(entries(item))
    if len(found) != 1:
        findings.add(item, path, "import must have a single key")
        return None, False
    name, _, options = found[0]
    merge = True
    for key, _, value in entries(options) if isinstance(options, yaml.MappingNode) else ():
        if key == "merge" and isinstance(value, yaml.ScalarNode):
            merge = scalar_value(value) is not False
    return name, merge


def _import(name: str, item: yaml.Node, path: str, imports: _Imports, findings: Findings) -> Value | None:
    full_name = name if "/" in name else f"default/{name}"
    if full_name in imports.done:
        value = imports.done[full_name]
        if value is None:
            findings.add(item, path, f"cyclic import of {name}")
        return value
    try:
        text, unseal = imports.load(full_name)
    except LoadFailed as error:
        findings.add(item, path, str(error))
        return None
    return _evaluate(full_name, text, unseal, imports, findings)


def _refuse_reserved(values: yaml.MappingNode, findings: Findings) -> None:
    for key, key_node, _ in entries(values):
        if key in _RESERVED:
            findings.add(key_node, f"values.{key}", f'"{key}" is a reserved key')
        elif key.startswith("fn::"):
            findings.add(
                key_node, f"values.{key}", f'builtin function call "{key}" not allowed at the top level'
            )


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and scalar_value(node) is None
