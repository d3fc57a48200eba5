"""One value of a definition, evaluated when somebody asks: references may run in any direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from sophia_infra.esc.emulator.diagnostics import Findings
from sophia_infra.esc.emulator.functions import FUNCTIONS, FunctionRefused
from sophia_infra.esc.emulator.interpolation import parse_text
from sophia_infra.esc.emulator.values import UNKNOWN, Value
from sophia_infra.esc.property_path import Accessor, InvalidPath, format_path
from sophia_infra.esc.secret_editing import SECRET_FUNCTION
from sophia_infra.esc.yaml_marks import entries, scalar_value
from sophia_infra.model.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Expression", "Scope"]

_NOT_EMULATED = ("fn::open", "fn::rotate", "fn::final", "fn::split", "fn::validate")


@dataclass(slots=True)
class Scope:
    """What the expressions of one environment share."""

    findings: Findings
    unseal: Callable[[str], str]
    imports: Mapping[str, Value]
    root: Expression | None = None

    def resolve(self, accessors: Sequence[Accessor], node: yaml.Node, path: str) -> Value:
        """The value that a reference names, evaluated as far as needed."""
        first = accessors[0]
        if first == "imports":
            return self.access(Value(dict(self.imports)), accessors[1:], node, path)
        if first in ("context", "environments"):
            self.findings.add(node, path, f"this emulator has no ${{{first}}}")
            return UNKNOWN
        if self.root is None:
            return UNKNOWN
        return self.root.access(accessors, node, path)

    def access(self, receiver: Value, accessors: Sequence[Accessor], node: yaml.Node, path: str) -> Value:
        """Follow `accessors` into a value that is evaluated already."""
        for accessor in accessors:
            if receiver.unknown:
                return UNKNOWN
            content = receiver.content
            problem: str | None = None
            if isinstance(content, list):
                problem = _index_problem(accessor, len(content))
            elif isinstance(content, dict):
                problem = _key_problem(accessor, content)
            else:
                problem = "receiver must be an array or an object"
            if problem is not None:
                self.findings.add(node, path, problem)
                return UNKNOWN
            receiver = receiver.part(accessor) or UNKNOWN
        return receiver


class Expression:
    """A node of the YAML text under `values`.

    Args:
        base: what the imports have at the same place; an object is merged over it, else it is replaced.
        path: for findings, such as `values.databases.url`.
        is_root: the node is `values` itself, where no function may be called.
    """

    def __init__(
        self, scope: Scope, node: yaml.Node, path: str, base: Value | None, *, is_root: bool = False
    ) -> None:
        self._scope = scope
        self._node = node
        self._path = path
        self._base = base
        self._value: Value | None = None
        self._under_way = False
        self._items: list[Expression] | None = None
        self._properties: dict[str, Expression] | None = None
        if isinstance(node, yaml.SequenceNode):
            self._items = [
                Expression(scope, one, f"{path}[{index}]", None) for index, one in enumerate(node.value)
            ]
        elif isinstance(node, yaml.MappingNode) and (is_root or not self._is_call(node)):
            self._properties = self._declare(node, is_root=is_root)

    def evaluate(self) -> Value:
        """The value; found once. A reference to itself is a finding."""
        if self._value is not None:
            return self._value
        if self._under_way:
            self._find(f"cyclic reference to {self._path.removeprefix('values.')}")
            return UNKNOWN
        self._under_way = True
        try:
            value = self._evaluate().over(self._base)
        finally:
            self._under_way = False
        self._value = value
        return value

    def access(self, accessors: Sequence[Accessor], node: yaml.Node, path: str) -> Value:
        """Follow `accessors` from here. Nothing beside the way is evaluated: siblings may use each other."""
        if not accessors:
            return self.evaluate()
        first, rest = accessors[0], accessors[1:]
        if self._items is not None:
            problem = _index_problem(first, len(self._items))
            if problem is None and isinstance(first, int):
                return self._items[first].access(rest, node, path)
        elif self._properties is not None:
            problem = _key_problem(first, self._properties)
            if problem is None and isinstance(first, str):
                return self._properties[first].access(rest, node, path)
            if self._base is not None and self._base.is_object:
                return self._scope.access(self._base, accessors, node, path)
        else:
            return self._scope.access(self.evaluate(), accessors, node, path)
        self._scope.findings.add(node, path, problem or "unknown property")
        return UNKNOWN

    def _evaluate(self) -> Value:
        if self._items is not None:
            return Value([one.evaluate() for one in self._items])
        if self._properties is not None:
            return Value({name: one.evaluate() for name, one in self._properties.items()})
        if isinstance(self._node, yaml.MappingNode):
            return self._call()
        if isinstance(self._node, yaml.ScalarNode):
            scalar = scalar_value(self._node)
            return self._interpolate(scalar) if isinstance(scalar, str) else Value(scalar)
        return UNKNOWN

    def _interpolate(self, text: str) -> Value:
        try:
            parts = parse_text(text)
        except InvalidPath as error:
            self._find(str(error))
            return UNKNOWN
        if len(parts) == 1 and isinstance(parts[0], tuple):
            return self._scope.resolve(parts[0], self._node, self._path)
        values = [
            Value(part) if isinstance(part, str) else self._scope.resolve(part, self._node, self._path)
            for part in parts
        ]
        if any(one.holds("unknown") for one in values):
            return UNKNOWN
        return Value("".join(one.text() for one in values), any(one.holds("secret") for one in values))

    def _call(self) -> Value:
        name, key, argument = next(entries(self._node))  # type: ignore[arg-type]  # a mapping, see _is_call
        where = f'{self._path}["{name}"]'
        if name == SECRET_FUNCTION:
            return self._secret(argument)
        if name.startswith(_NOT_EMULATED):
            self._find(f"this emulator does not evaluate {name}")
            return UNKNOWN
        function = FUNCTIONS.get(name)
        if function is None:
            self._scope.findings.add(key, self._path, "'fn::' is a reserved prefix")
            return UNKNOWN
        value = Expression(self._scope, argument, where, None).evaluate()
        if value.holds("unknown"):
            return UNKNOWN
        try:
            return function(value)
        except FunctionRefused as error:
            self._scope.findings.add(argument, where, str(error))
            return UNKNOWN

    def _secret(self, argument: yaml.Node) -> Value:
        if isinstance(argument, yaml.MappingNode):
            found = list(entries(argument))
            if len(found) == 1 and found[0][0] == "ciphertext" and isinstance(found[0][2], yaml.ScalarNode):
                try:
                    return Value(self._scope.unseal(str(found[0][2].value)), secret=True)
                except ValueError as error:
                    self._find(f"invalid ciphertext: {error}")
                    return UNKNOWN
        text = scalar_value(argument) if isinstance(argument, yaml.ScalarNode) else None
        if isinstance(text, str):
            try:
                parts = parse_text(text)
            except InvalidPath:
                parts = [()]
            if all(isinstance(part, str) for part in parts):
                return Value("".join(map(str, parts)), secret=True)
        self._scope.findings.add(argument, self._path, "secret values must be string literals")
        return UNKNOWN

    def _is_call(self, node: yaml.MappingNode) -> bool:
        names = [name for name, _, _ in entries(node)]
        if len(names) == 1:
            return names[0].lower().startswith("fn::")
        for name, key, _ in entries(node):
            if name.startswith("fn::"):
                self._scope.findings.add(
                    key,
                    self._path,
                    f'illegal call to builtin function: "{name}" must be the only key within its '
                    "containing object",
                )
        return False

    def _declare(self, node: yaml.MappingNode, *, is_root: bool) -> dict[str, Expression]:
        declared: dict[str, Expression] = {}
        for name, key, value in entries(node):
            path = f"{self._path}.{name}" if format_path((name,)) == name else f'{self._path}["{name}"]'
            if name in declared:
                self._scope.findings.add(key, path, f'duplicate key "{name}"')
                continue
            if is_root and name in ("imports", "context", "environments"):
                continue
            base = (
                self._base.content.get(name)
                if self._base is not None and isinstance(self._base.content, dict)
                else None
            )
            declared[name] = Expression(self._scope, value, path, base)
        return declared

    def _find(self, summary: str) -> None:
        self._scope.findings.add(self._node, self._path, summary)


def _index_problem(accessor: Accessor, length: int) -> str | None:
    if isinstance(accessor, str):
        return "cannot access an array element using a property name"
    if accessor >= length:
        return f"array index {accessor} out-of-bounds for array of length {length}"
    return None


def _key_problem(accessor: Accessor, known: Mapping[str, object]) -> str | None:
    if isinstance(accessor, int):
        return "cannot access an object property using an integer index"
    if accessor in known:
        return None
    close = did_you_mean(accessor, known).removeprefix(", did you mean ").removesuffix("?")
    hint = f'; did you mean "{close}"?' if close else ""
    return f'unknown property "{accessor}"{hint}'
