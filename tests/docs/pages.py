"""The documents of the repository, taken apart: code blocks, code in the text, links, headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = ["CHECKOUT", "Block", "Page", "anchor_of", "pages", "read_page"]

CHECKOUT = Path(__file__).resolve().parents[2]

_DRAFT = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block. `line` is that of its first line of code."""

    language: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Page:
    """One document. `spans` are the `code` in its sentences and `links` their targets, each with its line."""

    path: Path
    blocks: tuple[Block, ...]
    spans: tuple[tuple[str, int], ...]
    links: tuple[tuple[str, int], ...]
    anchors: frozenset[str]

    @property
    def name(self) -> str:
        return (
            self.path.relative_to(CHECKOUT).as_posix()
            if self.path.is_relative_to(CHECKOUT)
            else str(self.path)
        )

    def shell(self) -> Iterator[Block]:
        """Blocks of commands; of a `console` only what follows the prompt, of a `cron` what it starts."""
        for block in self.blocks:
            if block.language in ("sh", "bash"):
                yield block
            elif block.language == "console":
                yield Block("sh", _typed(block.text), block.line)
            elif block.language == "cron":
                yield Block("sh", re.sub(r"^(?:\S+ +){5}", "", block.text, flags=re.MULTILINE), block.line)


@cache
def pages() -> tuple[Page, ...]:
    """All documents that a reader is led to."""
    found = [
        CHECKOUT / "README.md",
        *(CHECKOUT / "docs").rglob("*.md"),
        *(CHECKOUT / "sophia_infra").rglob("*.md"),
    ]
    return tuple(read_page(path) for path in sorted(found))


def read_page(path: Path, text: str | None = None) -> Page:
    """Take one document apart; `text` instead of what the file holds."""
    tokens = _DRAFT.parse(path.read_text(encoding="utf-8") if text is None else text)
    blocks: list[Block] = []
    spans: list[tuple[str, int]] = []
    links: list[tuple[str, int]] = []
    anchors: dict[str, int] = {}
    named: list[str] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "fence":
            blocks.append(Block(token.info.split()[0] if token.info else "", token.content, line + 1))
        elif token.type == "html_block":
            named += re.findall(r'<a (?:id|name)="([^"]+)"', token.content)
        for child in token.children or ():
            if child.type == "code_inline":
                spans.append((child.content, line))
            target = child.attrGet("href") or child.attrGet("src")
            if target:
                links.append((str(target), line))
        if before is not None and before.type == "heading_open":
            anchor = anchor_of(_words(token))
            seen = anchors.get(anchor, 0)
            anchors[anchor] = seen + 1
            named.append(f"{anchor}-{seen}" if seen else anchor)
    return Page(path, tuple(blocks), tuple(spans), tuple(links), frozenset(named))


def anchor_of(heading: str) -> str:
    """The anchor that the forge gives a heading; `mkdocs.yml` asks for the same."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def _words(token: Token) -> str:
    return "".join(child.content for child in token.children or () if child.type in ("text", "code_inline"))


def _typed(console: str) -> str:
    """After a prompt, and what is indented below it, goes on with the same command."""
    lines, going_on = [], False
    for line in console.splitlines():
        going_on = line.startswith("$ ") or (going_on and line.startswith("  "))
        lines.append(line.removeprefix("$ ") if going_on else "")
    return "\n".join(lines) + "\n"
