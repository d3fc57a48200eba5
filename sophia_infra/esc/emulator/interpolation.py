"""Text with `${references}` in it: `$$` is a dollar sign, a text that is one reference keeps its type."""

from __future__ import annotations

from sophia_infra.esc.property_path import PropertyPath, scan_path

__all__ = ["Part", "parse_text"]

Part = str | PropertyPath


def parse_text(text: str) -> list[Part]:
    """Literal pieces and property paths in turn. Raises InvalidPath for a reference that is none."""
    parts: list[Part] = []
    literal: list[str] = []
    at = 0
    while at < len(text):
        if text.startswith("$$", at):
            literal.append("$")
            at += 2
        elif text.startswith("${", at):
            path, at = scan_path(text, at + 2, closing="}")
            if literal:
                parts.append("".join(literal))
                literal.clear()
            parts.append(path)
        else:
            literal.append(text[at])
            at += 1
    if literal:
        parts.append("".join(literal))
    return parts
