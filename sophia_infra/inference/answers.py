"""What a caller gets back, and what an answer says about the tokens that it took."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sophia_infra.inference.upstream import AttemptFailed
from sophia_infra.inference.usage import Tokens

__all__ = ["Answer", "StreamChunk", "StreamEvent", "StreamTally", "parse_answer", "usage_tokens"]

_NO_USAGE = (b'"usage":null', b'"usage": null')


@dataclass(frozen=True, slots=True)
class Answer:
    """A call that was answered, with its bill.

    Attributes:
        body: as the backend sent it; empty at the end of a stream.
        usd: what was written down; 0 for an answer of the cache.
        backend: who answered; for an answer of the cache, who did the first time.
        headers: the backend's, names in small letters.
    """

    body: bytes
    status: int
    tokens: Tokens
    usd: Decimal
    model: str
    backend: str
    attempts: int
    cached: bool
    latency_ms: int
    first_token_ms: int | None
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StreamChunk:
    """Payload of one `data:` line, as the backend sent it; `[DONE]` is one too."""

    data: bytes


StreamEvent = StreamChunk | Answer
"""Chunks, `[DONE]` last; then the Answer, once."""


def parse_answer(body: bytes) -> Mapping[str, Any]:
    """The JSON object of a whole answer.

    Raises:
        AttemptFailed: it is none, or has no choices.
    """
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("choices"), list):
        raise AttemptFailed("malformed", status=200)
    return answer


def usage_tokens(answer: Mapping[str, Any]) -> Tokens | None:
    """Tokens that the backend counted; None when it says nothing usable."""
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return None
    counts = (usage.get("prompt_tokens"), usage.get("completion_tokens", 0))
    if not all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts):
        return None
    return Tokens(int(usage["prompt_tokens"]), int(usage.get("completion_tokens", 0)))


class StreamTally:
    """Follows a stream: how much came, and what the backend says it took."""

    def __init__(self) -> None:
        self.payloads = 0
        self.tokens: Tokens | None = None

    def see(self, payload: bytes) -> bool:
        """Count one payload.

        Returns:
            Whether it is the closing one that only tells usage, which the caller gets only when it asked.

        Raises:
            AttemptFailed: the backend says that it failed, or this is no JSON object.
        """
        if not (payload.startswith(b"{") and payload.endswith(b"}")):  # parsing each would double the work
            raise AttemptFailed("malformed", status=200)
        if b'"usage"' in payload and not any(mark in payload for mark in _NO_USAGE):
            event = _object(payload)
            self.tokens = usage_tokens(event) or self.tokens
            if event.get("choices") == [] and self.tokens is not None:
                return True
        elif payload.startswith(b'{"error"'):
            raise AttemptFailed("server", status=200)
        self.payloads += 1
        return False


def _object(payload: bytes) -> Mapping[str, Any]:
    try:
        event = json.loads(payload)
    except ValueError:
        raise AttemptFailed("malformed", status=200) from None
    return event if isinstance(event, dict) else {}
