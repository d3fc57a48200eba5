"""Digests in the text of a stack file: values change where they stand, all else stays as it was written."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from sophia_infra.rollout.errors import RolloutRefused

__all__ = ["with_digests"]

_SECTION = "sophia:kubernetes"
_INDENT = 2


def with_digests(text: str, digests: Mapping[str, str]) -> str:
    """`text` with these digests in `sophia:kubernetes.images.digests`; others there stay.

    Raises RolloutRefused for a text that has no `sophia:kubernetes` with keys of its own lines.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    section = _at(root, "config", _SECTION)
    if not isinstance(section, yaml.MappingNode) or section.flow_style or not section.value:
        raise RolloutRefused(
            f"{_SECTION} is not written as keys on lines of their own.",
            next_step="write it so; docs/rollout.md shows it.",
        )
    found = _at(section, "images", "digests")
    images = _at(section, "images")
    edited = text
    if isinstance(found, yaml.MappingNode) and found.value and not found.flow_style:
        edited = _changed(text, found, digests)
    elif isinstance(images, yaml.MappingNode) and not images.flow_style and found is None:
        first = images.value[0][0].start_mark
        edited = _inserted(text, first.index - first.column, first.column, digests)
    else:
        edited = _rewritten(text, section, digests)
    _check(edited, digests)
    return edited


def _changed(text: str, node: yaml.MappingNode, digests: Mapping[str, str]) -> str:
    left = dict(digests)
    edits = []
    for key, value in node.value:
        wanted = left.pop(str(key.value), None)
        if wanted is not None and wanted != value.value:
            edits.append((value.start_mark.index, value.end_mark.index, wanted))
    last = node.value[-1][1].end_mark.index
    end = text.find("\n", last)
    end = len(text) if end < 0 else end
    column = node.value[0][0].start_mark.column
    more = "".join(f"\n{' ' * column}{_key(image)}: {digest}" for image, digest in left.items())
    edits.append((end, end, more))
    for start, stop, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[stop:]
    return text


def _inserted(text: str, at: int, column: int, digests: Mapping[str, str]) -> str:
    return text[:at] + _block("digests", column, digests) + text[at:]


def _rewritten(text: str, section: yaml.MappingNode, digests: Mapping[str, str]) -> str:
    """`images` on one line, or not there: it becomes lines; a remark behind it stays behind its name."""
    column = section.value[0][0].start_mark.column
    pair = next(((key, value) for key, value in section.value if key.value == "images"), None)
    if pair is None:
        start = section.value[0][0].start_mark.index - column
        block = f"{' ' * column}images:\n" + _block("digests", column + _INDENT, digests)
        return text[:start] + block + text[start:]
    key, value = pair
    held = yaml.safe_load(text[value.start_mark.index : value.end_mark.index]) or {}
    wanted = {**(held.pop("digests", None) or {}), **digests}
    end = text.find("\n", value.end_mark.index)
    end = len(text) if end < 0 else end
    remark = text[value.end_mark.index : end].rstrip()
    inner = " " * (column + _INDENT)
    lines = yaml.safe_dump(held, sort_keys=False).splitlines() if held else []
    block = "".join(f"{inner}{line}\n" for line in lines) + _block("digests", column + _INDENT, wanted)
    return f"{text[: key.start_mark.index]}images:{remark}\n{block}{text[end + 1 :]}"


def _block(name: str, column: int, rows: Mapping[str, str]) -> str:
    inner = " " * (column + _INDENT)
    return f"{' ' * column}{name}:\n" + "".join(
        f"{inner}{_key(key)}: {value}\n" for key, value in rows.items()
    )


def _key(image: str) -> str:
    return f'"{image}"'


def _at(node: yaml.Node | None, *path: str) -> yaml.Node | None:
    for name in path:
        if not isinstance(node, yaml.MappingNode):
            return None
        node = next((value for key, value in node.value if key.value == name), None)
    return node


def _check(text: str, digests: Mapping[str, str]) -> None:
    """What was written is read back: an edit of text may go wrong in ways that nobody thought of."""
    held = yaml.safe_load(text)["config"][_SECTION]["images"]["digests"]
    if any(held.get(image) != digest for image, digest in digests.items()):
        raise RolloutRefused(
            "The digests could not be written into this file.",
            next_step="write them by hand under sophia:kubernetes.images.digests.",
        )
