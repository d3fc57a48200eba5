"""What is asked of a backend besides the call itself: where, and how it counts tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from sophia_infra.inference.upstream import Endpoint

__all__ = ["PATHS", "read_count", "tokenize_body"]

PATHS: Final[Mapping[Endpoint, str]] = {"chat": "/chat/completions", "completions": "/completions"}
"""Below the address that ends in /v1."""


def tokenize_body(model: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """For vLLM's POST /tokenize, which applies the chat template too."""
    return {"model": model, **{key: body[key] for key in ("messages", "prompt", "tools") if key in body}}


def read_count(answer: bytes) -> int | None:
    """Tokens that its answer tells; None when it tells none."""
    try:
        count = json.loads(answer)["count"]
    except (ValueError, KeyError, TypeError):
        return None
    return count if isinstance(count, int) and count >= 0 else None
