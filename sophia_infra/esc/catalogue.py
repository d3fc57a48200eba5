"""The checked-in definition: which secrets there are, whose they are, how often and how they are renewed.

ESC has no place for such facts beside a secret, so they stand in the comment on the property's own line:

    password: {fn::secret: ""}  # owner=platform rotate=30d generate=password:40 then="ALTER ROLE sophia"
    api_key: {fn::secret: ""}   # owner=ai rotate=90d from="OpenAI console, API keys"

`owner` is a team. `rotate` is in days; without it the stack's `rotate_days` holds. Exactly one of `generate`
(`password:LENGTH`, `hex:LENGTH`, `uuid`) and `from` (who mints it). `then` is what else a new value needs.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from sophia_infra.esc.errors import DefinitionRefused
from sophia_infra.esc.generators import Generator, InvalidGenerator, parse_generator
from sophia_infra.esc.property_path import format_path
from sophia_infra.esc.secret_editing import SecretPlace, secret_places
from sophia_infra.esc.yaml_marks import YamlRefused, compose, entries, node_at

__all__ = ["DEFINITION_FILE", "SecretCatalogue", "SecretEntry", "load_catalogue", "parse_catalogue"]

DEFINITION_FILE = "infrastructure/esc/lambda-labs-optimized.yaml"
"""Below the checkout; the name is the migration plan's."""

_FACTS = frozenset({"owner", "rotate", "generate", "from", "then"})
_ROTATE = re.compile(r"([1-9][0-9]{0,2})d")
_OWNER = re.compile(r"[a-z][a-z0-9-]{1,30}")


@dataclass(frozen=True, slots=True)
class SecretEntry:
    """One secret by name.

    Attributes:
        path: property path in the environment.
        owner: team that answers for it.
        rotate_days: its own period; None: that of the stack.
        generator: how a new value is made here; None when only `minted_by` can.
        minted_by: who makes it, in words; None for generated ones.
        then: what else has to be done when it changes; None for nothing.
        line: 1-based line in the file.
    """

    path: str
    owner: str
    rotate_days: int | None
    generator: Generator | None
    minted_by: str | None
    then: str | None
    line: int


@dataclass(frozen=True, slots=True)
class SecretCatalogue:
    """The definition's text and its secrets by path."""

    text: str
    entries: Mapping[str, SecretEntry]


def load_catalogue(checkout: Path) -> SecretCatalogue:
    """Read the checked-in definition below `checkout`. Raises DefinitionRefused."""
    file = checkout / DEFINITION_FILE
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionRefused([f"{file}: cannot be read ({type(error).__name__})."]) from None
    return parse_catalogue(text, source=DEFINITION_FILE)


def parse_catalogue(text: str, *, source: str) -> SecretCatalogue:
    """Read a definition that holds no value.

    Raises:
        DefinitionRefused: no YAML; a secret with a value, without its facts or with facts that do not fit.
            No message repeats a value.
    """
    try:
        places = secret_places(text)
        doubled = _doubled_keys(text)
    except YamlRefused as error:
        raise DefinitionRefused([f"{source}:{error.line or 1}: is not YAML: {error}."]) from None
    problems = [f"{source}:{line}: {key} is given twice." for key, line in doubled]
    found: dict[str, SecretEntry] = {}
    lines = text.splitlines()
    for place in places:
        path = format_path(place.path)
        try:
            found[path] = _entry(place, path, lines[place.line - 1])
        except ValueError as error:
            problems.append(f"{source}:{place.line}: {path} {error}.")
    if not places:
        problems.append(f"{source}:1: names no secret.")
    if problems:
        raise DefinitionRefused(problems)
    return SecretCatalogue(text, found)


def _entry(place: SecretPlace, path: str, line: str) -> SecretEntry:
    if place.plaintext != "" or place.ciphertext is not None:
        raise ValueError('holds a value; a checked-in definition names secrets only: write fn::secret: ""')
    comment = line.rpartition("#")[2] if "#" in line else ""
    try:
        words = [word.partition("=") for word in shlex.split(comment)]
    except ValueError:
        raise ValueError("has a comment with an open quote") from None
    facts = {name: value for name, _, value in words}
    unknown = sorted(facts.keys() - _FACTS)
    if unknown or len(facts) != len(words):
        raise ValueError(f"has facts that are unknown or doubled; known: {', '.join(sorted(_FACTS))}")
    if not _OWNER.fullmatch(facts.get("owner", "")):
        raise ValueError("needs owner=TEAM in a comment on its line, in lower case")
    rotate = _ROTATE.fullmatch(facts["rotate"]) if "rotate" in facts else None
    if "rotate" in facts and rotate is None:
        raise ValueError("has rotate in another form than 30d")
    if ("generate" in facts) == ("from" in facts) or not facts.get("generate", facts.get("from")):
        raise ValueError('needs one of generate=KIND and from="WHO MINTS IT"')
    try:
        generator = parse_generator(facts["generate"]) if "generate" in facts else None
    except InvalidGenerator as error:
        raise ValueError(f"has a generator that is unknown: {error}") from None
    return SecretEntry(
        path=path,
        owner=facts["owner"],
        rotate_days=int(rotate[1]) if rotate else None,
        generator=generator,
        minted_by=facts.get("from"),
        then=facts.get("then"),
        line=place.line,
    )


def _doubled_keys(text: str) -> list[tuple[str, int]]:
    root = node_at(compose(text), ("values",))
    doubled: list[tuple[str, int]] = []
    open_nodes = [] if root is None else [root]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, yaml.SequenceNode):
            open_nodes += node.value
        elif isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, key_node, value in entries(node):
                if key in seen:
                    doubled.append((key, key_node.start_mark.line + 1))
                seen.add(key)
                open_nodes.append(value)
    return doubled
