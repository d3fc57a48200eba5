"""Exchange secrets in the text of a definition and leave every other character, comments too, as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from sophia_infra.esc.property_path import PropertyPath
from sophia_infra.esc.yaml_marks import compose, entries, node_at

__all__ = ["SECRET_FUNCTION", "SecretPlace", "quoted", "replace_places", "secret_places", "with_secret"]

SECRET_FUNCTION = "fn::secret"  # noqa: S105, a function's name


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """One `fn::secret` of a text.

    Attributes:
        path: of the property below `values`.
        plaintext: the literal; None for a ciphertext.
        ciphertext: the sealed value; None for a literal.
        start, end: where the argument stands in the text, in characters.
        line: 1-based line of the property.
        block: the argument is a block scalar or a block mapping, so that a line break follows it.
    """

    path: PropertyPath
    plaintext: str | None
    ciphertext: str | None
    start: int
    end: int
    line: int
    block: bool

    def __repr__(self) -> str:
        return f"SecretPlace({self.path!r})"


def secret_places(text: str) -> list[SecretPlace]:
    """Every `fn::secret` below `values`, in the order of the text. Raises YamlRefused."""
    values = node_at(compose(text), ("values",))
    return [] if values is None else list(_walk(values, ()))


def with_secret(text: str, path: PropertyPath, value: str) -> str:
    """`text` with `value` as the literal of the secret at `path`; the service seals it when it is saved.

    Raises:
        KeyError: no `fn::secret` stands at `path`.
        ValueError: `value` holds `${`, which ESC would read as a reference.
        YamlRefused: the text is no YAML.
    """
    if "${" in value:
        raise ValueError("the value holds ${, which ESC takes for a reference to another property")
    place = next((one for one in secret_places(text) if one.path == path), None)
    if place is None:
        raise KeyError(path)
    return replace_places(text, [(place, quoted(value))])


def replace_places(text: str, changes: list[tuple[SecretPlace, str]]) -> str:
    """`text` with the argument of each place replaced by YAML that fits on one line."""
    for place, argument in sorted(changes, key=lambda change: change[0].start, reverse=True):
        after = text[place.end :]
        line_break = "\n" if place.block and after else ""
        text = f"{text[: place.start]}{argument}{line_break}{after}"
    return text


def quoted(value: str) -> str:
    """`value` as a double-quoted YAML scalar in printable ASCII, the same for every reader."""
    return '"' + "".join(_escaped(character) for character in value) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    code = ord(character)
    if 32 <= code < 127:
        return character
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def _walk(node: yaml.Node, path: PropertyPath) -> Iterator[SecretPlace]:
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield from _walk(child, (*path, index))
    elif isinstance(node, yaml.MappingNode):
        found = list(entries(node))
        if len(found) == 1 and found[0][0] == SECRET_FUNCTION:
            _, key, argument = found[0]
            place = _place(argument, path, key)
            if place is not None:
                yield place
            return
        for name, _, child in found:
            yield from _walk(child, (*path, name))


def _place(argument: yaml.Node, path: PropertyPath, key: yaml.ScalarNode) -> SecretPlace | None:
    plaintext = ciphertext = None
    if isinstance(argument, yaml.ScalarNode):
        if argument.tag != "tag:yaml.org,2002:str":
            return None
        plaintext = str(argument.value)
        block = argument.style in ("|", ">")
    elif isinstance(argument, yaml.MappingNode):
        sealed = [value for name, _, value in entries(argument) if name == "ciphertext"]
        if len(argument.value) != 1 or not sealed or not isinstance(sealed[0], yaml.ScalarNode):
            return None
        ciphertext = str(sealed[0].value)
        block = not argument.flow_style
    else:
        return None
    # A block mapping's end mark lies behind the break and indent that follow: end at its last scalar.
    last = argument if plaintext is not None or not block else argument.value[0][1]
    end, follows = last.end_mark.index, block and plaintext is not None
    return SecretPlace(
        path, plaintext, ciphertext, argument.start_mark.index, end, key.start_mark.line + 1, follows
    )
