"""Findings of the evaluator with their place, in the shape that the API gives them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

__all__ = ["Finding", "Findings", "range_of"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One diagnostic. A warning does not keep a definition from being saved or opened."""

    summary: str
    path: str
    range: dict[str, Any] | None
    is_warning: bool = False

    def public(self) -> dict[str, Any]:
        """As the API answers it."""
        body: dict[str, Any] = {"summary": self.summary, "path": self.path}
        if self.range is not None:
            body["range"] = self.range
        return body


@dataclass(slots=True)
class Findings:
    """All findings about one environment, those of its imports included."""

    environment: str
    all: list[Finding] = field(default_factory=list)

    def add(self, node: yaml.Node | None, path: str, summary: str, *, warning: bool = False) -> None:
        place = None if node is None else range_of(node, self.environment)
        self.all.append(Finding(summary, path, place, warning))

    @property
    def has_errors(self) -> bool:
        return any(not one.is_warning for one in self.all)

    def public(self) -> list[dict[str, Any]]:
        return [one.public() for one in self.all]


def range_of(node: yaml.Node, environment: str) -> dict[str, Any]:
    """Where `node` stands; lines and columns from 1."""
    begin, end = node.start_mark, node.end_mark
    return {
        "environment": environment,
        "begin": {"line": begin.line + 1, "column": begin.column + 1, "byte": begin.index},
        "end": {"line": end.line + 1, "column": end.column + 1, "byte": end.index},
    }
