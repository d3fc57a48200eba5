"""What the load asks for: a seeded mixture, each call known by the first word of its prompt."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["LOAD", "MODELS", "SHARED", "Ask", "mixture"]

MODELS = ("llama-4-scout-17b-16e-instruct", "qwen-3-32b")

LOAD = "load"
"""First part of the name of a prompt that only one call has."""

SHARED = "shared"
"""First part of the names of prompts that several calls have in common: the cache may answer them."""

_SHARED_PROMPTS = 20
_FILLERS = (4, 40, 400)

Kind = Literal["plain", "stream", "completion", "shared"]


@dataclass(frozen=True, slots=True)
class Ask:
    """One call.

    Attributes:
        number: unique in one load.
        path: of the OpenAI API.
    """

    number: int
    kind: Kind
    model: str
    path: str
    body: bytes
    load_id: str

    @property
    def is_stream(self) -> bool:
        return self.kind == "stream"


def mixture(seed: int = 0, *, streams: float = 0.2, shared: float = 0.05) -> Iterator[Ask]:
    """Calls without end: 5 % plain completions, streams and shared prompts as told, the rest chats."""
    chance = random.Random(seed)
    number = 0
    while True:
        drawn = chance.random()
        kind: Kind = "plain"
        if drawn < 0.05:
            kind = "completion"
        elif drawn < 0.05 + streams:
            kind = "stream"
        elif drawn < 0.05 + streams + shared:
            kind = "shared"
        yield _ask(number, kind, chance)
        number += 1


def _ask(number: int, kind: Kind, chance: random.Random) -> Ask:
    load_id = f"{LOAD}-{number:07d}"
    if kind == "shared":
        load_id = f"{SHARED}-{chance.randrange(_SHARED_PROMPTS):03d}"
    # The model and the length follow from the prompt's name, or the cache would never see one twice.
    model = MODELS[int(load_id[-1]) % len(MODELS)]
    prompt = f"{load_id} {'word ' * _FILLERS[int(load_id[-2]) % len(_FILLERS)]}"
    body: dict[str, Any] = {"model": model, "max_tokens": 12}
    path = "/v1/chat/completions"
    if kind == "completion":
        path, body["prompt"] = "/v1/completions", prompt
    else:
        body["messages"] = [{"role": "user", "content": prompt}]
    if kind == "stream":
        body.update(stream=True, stream_options={"include_usage": True})
    if kind == "shared":
        body["temperature"] = 0
    return Ask(number, kind, model, path, json.dumps(body).encode(), load_id)
