"""A change of a stack file as a unified diff that a pull request can carry. Pure; nothing is written here.

The text is edited line by line, so that comments and order stay. The result is read again and has to say
exactly what was wanted, and the stack has to accept it: else no diff is offered, but the reason.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sophia_infra.model import yaml_text
from sophia_infra.model.errors import ConfigError
from sophia_infra.optimization.errors import ChangeRefused

__all__ = ["AddMachine", "Edit", "RemoveKey", "RemoveMachine", "SetValue", "StackChange", "render_change"]

_FLEET: Final = "sophia:fleet"
_IN_FLEET: Final = ("config", _FLEET)
_ROLES: Final = ("config", "sophia:kubernetes", "node_roles")
_BY_HAND: Final = "change the file by hand as the steps say."


@dataclass(frozen=True, slots=True)
class RemoveMachine:
    """Take one machine out of the fleet, and out of the roles of nodes."""

    name: str


@dataclass(frozen=True, slots=True)
class SetValue:
    """Give one key of a machine a value, in place of what it has or new."""

    name: str
    key: str
    value: str | int | bool


@dataclass(frozen=True, slots=True)
class RemoveKey:
    """Take one key out of a machine; no change when it has none."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class AddMachine:
    """Put one machine at the end of the fleet. Values are text, numbers, yes or no, or one level of them."""

    name: str
    values: Mapping[str, Any]


Edit = RemoveMachine | SetValue | RemoveKey | AddMachine


@dataclass(frozen=True, slots=True)
class StackChange:
    """Edits that belong together."""

    edits: tuple[Edit, ...]


def render_change(text: str, change: StackChange, path: Path) -> str:
    """The unified diff of the stack file with this text.

    Args:
        path: of the file; its folder is where the files that it names lie.

    Raises:
        ChangeRefused: the file is written in a way that is not edited by a program, or would not load.
    """
    edited = text
    for edit in change.edits:
        wanted = _applied(yaml_text.read_yaml(edited).value, edit)
        edited = _edited(edited, edit, path)
        if yaml_text.read_yaml(edited).value != wanted:
            raise ChangeRefused(
                f"{path.name} is written in a way that a program does not edit safely.", next_step=_BY_HAND
            )
    _check(edited, path)
    lines = difflib.unified_diff(
        text.splitlines(keepends=True),
        edited.splitlines(keepends=True),
        fromfile=f"a/{path.name}",
        tofile=f"b/{path.name}",
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _check(edited: str, path: Path) -> None:
    from sophia_infra.model.stack_config import parse_stack_config

    document = yaml_text.read_yaml(edited).value
    try:
        parse_stack_config(document["config"], path.name, directory=path.parent)
    except ConfigError as error:
        said = "; ".join(str(problem) for problem in error.problems[:3])
        raise ChangeRefused(f"The changed {path.name} would not load: {said}.", next_step=_BY_HAND) from None


def _edited(text: str, edit: Edit, path: Path) -> str:
    lines = text.splitlines(keepends=True)
    if isinstance(edit, AddMachine):
        return _with_machine(text, lines, edit, path)
    first, behind = _block(text, lines, (*_IN_FLEET, edit.name), path)
    if isinstance(edit, RemoveMachine):
        rest = "".join(lines[:first] + lines[behind:])
        roles = (*_ROLES, edit.name)
        if roles not in yaml_text.read_yaml(rest).lines:
            return rest
        lines = rest.splitlines(keepends=True)
        first, behind = _block(rest, lines, roles, path)
        return "".join(lines[:first] + lines[behind:])
    document = yaml_text.read_yaml(text)
    at = ("config", _FLEET, edit.name, edit.key)
    row = document.value["config"][_FLEET][edit.name]
    child = document.lines[("config", _FLEET, edit.name, next(iter(row)))] - 1 if row else first
    if child == first:
        raise ChangeRefused(f"{edit.name} is written in one line in {path.name}.", next_step=_BY_HAND)
    if at in document.lines:
        start, end = _block(text, lines, at, path)
        new = [] if isinstance(edit, RemoveKey) else [_set_line(lines[start], edit)]
        return "".join(lines[:start] + new + lines[end:])
    if isinstance(edit, RemoveKey):
        return text
    new_line = f"{' ' * _indent(lines[child])}{edit.key}: {_scalar(edit.value)}\n"
    return "".join([*lines[: first + 1], new_line, *lines[first + 1 :]])


def _with_machine(text: str, lines: list[str], edit: AddMachine, path: Path) -> str:
    fleet = (yaml_text.read_yaml(text).value or {}).get("config", {}).get(_FLEET)
    if not isinstance(fleet, dict) or not fleet:
        raise ChangeRefused(f"{path.name} has no fleet to add a machine to.", next_step=_BY_HAND)
    last = list(fleet)[-1]
    first, behind = _block(text, lines, (*_IN_FLEET, last), path)
    indent = _indent(lines[first])
    new = [f"{' ' * indent}{edit.name}:\n"]
    for key, value in edit.values.items():
        shown = (
            "{" + ", ".join(f"{name}: {_scalar(inner)}" for name, inner in value.items()) + "}"
            if isinstance(value, Mapping)
            else _scalar(value)
        )
        new.append(f"{' ' * (indent + 2)}{key}: {shown}\n")
    before = lines[:behind]
    if before and not before[-1].endswith("\n"):
        before[-1] += "\n"
    return "".join([*before, *new, *lines[behind:]])


def _block(text: str, lines: list[str], at: tuple[str, ...], path: Path) -> tuple[int, int]:
    """First line of a key and the one behind its last, comments of what follows left out."""
    document = yaml_text.read_yaml(text)
    if at not in document.lines:
        raise ChangeRefused(f"{path.name} has no {'.'.join(at[1:])}.", next_step=_BY_HAND)
    first = document.lines[at] - 1
    parent = document.lines.get(at[:-1])
    if parent is not None and parent - 1 == first:
        raise ChangeRefused(f"{at[-2]} is written in one line in {path.name}.", next_step=_BY_HAND)
    indent = _indent(lines[first])
    behind = first + 1
    while behind < len(lines) and (_is_empty(lines[behind]) or _indent(lines[behind]) > indent):
        behind += 1
    while _is_empty(lines[behind - 1]):
        behind -= 1
    return first, behind


def _set_line(line: str, edit: SetValue) -> str:
    """The line with another value; a comment at its end stays."""
    body = line.rstrip("\n")
    comment = body.find("  #")
    ending = body[comment:] if comment >= 0 else ""
    return f"{' ' * _indent(line)}{edit.key}: {_scalar(edit.value)}{ending}\n"


def _applied(document: Any, edit: Edit) -> Any:
    """What the document has to say after the edit."""
    wanted = copy.deepcopy(document)
    try:
        fleet = wanted["config"][_FLEET]
        if isinstance(edit, AddMachine):
            fleet[edit.name] = {
                key: dict(value) if isinstance(value, Mapping) else value
                for key, value in edit.values.items()
            }
        elif isinstance(edit, RemoveMachine):
            fleet.pop(edit.name)
            roles = (wanted["config"].get(_ROLES[1]) or {}).get(_ROLES[2])
            if isinstance(roles, dict):
                roles.pop(edit.name, None)
        elif isinstance(edit, RemoveKey):
            fleet[edit.name].pop(edit.key, None)
        else:
            fleet[edit.name][edit.key] = edit.value
    except (KeyError, TypeError, AttributeError):
        raise ChangeRefused("The stack file has no such machine in its fleet.", next_step=_BY_HAND) from None
    return wanted


def _scalar(value: object) -> str:
    """One value as YAML of one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    plain = text and all(one.isalnum() or one in "-_ ./" for one in text) and text[0].isalpha()
    if plain and text == text.strip() and text.lower() not in ("true", "false", "null", "yes", "no"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _is_empty(line: str) -> bool:
    stripped = line.strip()
    return not stripped or stripped.startswith("#")
