"""What an operation gets and gives back, free of HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Call", "Payload"]


@dataclass(frozen=True, slots=True)
class Call:
    """A request that fits the document: path and query parameters and the body (empty when none)."""

    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Payload:
    """`data` of the envelope, its siblings, and the HTTP status."""

    data: Any
    siblings: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
