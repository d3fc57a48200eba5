"""What is asked of a backend besides the call itself: where, and how it counts tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from sophia_infra.inference.upstream import Endpoint

__all__ = [
    "HEALTH_PATH",
    "MODELS_PATH",
    "PATHS",
    "read_count",
    "read_models",
    "root_of",
    "tokenize_body",
]

PATHS: Final[Mapping[Endpoint, str]] = {"chat": "/chat/completions", "completions": "/completions"}
"""Below the address that ends in /v1."""

MODELS_PATH: Final = "/models"
"""Below the same."""

HEALTH_PATH: Final = "/health"
"""Below the server's root. vLLM has it, and answers 200 once the model is loaded."""


def root_of(base_url: str) -> str:
    """The server's root, from the address that ends in /v1."""
    return base_url.removesuffix("/").removesuffix("/v1")


def read_models(answer: bytes) -> list[str] | None:
    """Names of the models in a list of them; None when it is none."""
    try:
        return [str(model["id"]) for model in json.loads(answer)["data"]]
    except (ValueError, KeyError, TypeError):
        return None


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
