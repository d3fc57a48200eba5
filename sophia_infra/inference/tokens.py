"""How many tokens a request has, without the model's own tokenizer.

A token of a byte-level vocabulary (Llama 3 and 4, DeepSeek V3, Qwen 3) stands for at least one byte of UTF-8,
so the bytes are an upper bound; no word of text needs more. The likely figure is a rule of thumb: four ASCII
bytes a token, as OpenAI states for English, and two bytes a token elsewhere (a CJK character has three bytes
and takes one or two tokens). The lower bound assumes sixteen bytes a token, which only runs of spaces pass.

Decisions on room use `likely`, or the backend's own count where only that can decide; money is set aside
for `high`, so that a wrong guess can never pass a budget.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["ExactCounter", "TokenEstimate", "count_tokens", "likely_text_tokens"]

_ASCII_BYTES_PER_TOKEN = 4
_OTHER_BYTES_PER_TOKEN = 2
_MOST_BYTES_PER_TOKEN = 16

_MESSAGE_LIKELY = 4
_MESSAGE_HIGH = 16
_REQUEST_LIKELY = 3
_REQUEST_HIGH = 64  # a template's standing system text, such as the date that Llama's adds

_TOOLS_HIGH = 512  # the template's sentences around tool definitions
_MEDIA_LIKELY = 2_448  # Llama 4: 17 tiles of 144 tokens
_MEDIA_HIGH = 16_384  # the largest that a vision model of the catalogue's makers takes for one image
_MEDIA_KEYS = ("image_url", "input_audio", "video_url", "audio_url", "file")


@dataclass(frozen=True, slots=True)
class TokenEstimate:
    """Input tokens: no fewer than `low`, probably `likely`, no more than `high`."""

    low: int
    likely: int
    high: int

    def __add__(self, other: TokenEstimate) -> TokenEstimate:
        return TokenEstimate(self.low + other.low, self.likely + other.likely, self.high + other.high)


class ExactCounter(Protocol):
    """A backend that can count with the model's own tokenizer (vLLM's POST /tokenize)."""

    async def count(self, model: str, body: Mapping[str, Any], timeout_s: float) -> int | None:
        """Input tokens of `body`; None when the backend cannot say."""
        ...


def count_tokens(body: Mapping[str, Any]) -> TokenEstimate:
    """Bounds for the input of a chat or completions body, tool definitions and media included.

    Works on any JSON object: what is no text at a text's place counts as its JSON.
    """
    total = TokenEstimate(1, _REQUEST_LIKELY, _REQUEST_HIGH)
    messages = body.get("messages")
    if isinstance(messages, list):
        for message in messages:
            total += _message(message)
    if "prompt" in body:
        total += _prompt(body["prompt"])
    for key in ("tools", "functions", "response_format"):
        if body.get(key):
            total += _text(_as_json(body[key])) + TokenEstimate(0, _MESSAGE_LIKELY, _TOOLS_HIGH)
    return total


def likely_text_tokens(text: str) -> int:
    """The likely tokens of one text."""
    return _text(text).likely


def _message(message: object) -> TokenEstimate:
    overhead = TokenEstimate(1, _MESSAGE_LIKELY, _MESSAGE_HIGH)
    if not isinstance(message, dict):
        return _text(_as_json(message)) + overhead
    total = overhead
    for key, value in message.items():
        total += (
            _content(value)
            if key == "content"
            else _text(value if isinstance(value, str) else _as_json(value))
        )
    return total


def _content(content: object) -> TokenEstimate:
    if isinstance(content, str):
        return _text(content)
    if not isinstance(content, list):
        return _text(_as_json(content))
    total = TokenEstimate(0, 0, 0)
    for part in content:
        if isinstance(part, dict) and any(key in part for key in _MEDIA_KEYS):
            total += TokenEstimate(1, _MEDIA_LIKELY, _MEDIA_HIGH)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            total += _text(part["text"]) + TokenEstimate(0, 0, 2)
        else:
            total += _text(_as_json(part))
    return total


def _prompt(prompt: object) -> TokenEstimate:
    if isinstance(prompt, str):
        return _text(prompt)
    if not isinstance(prompt, list):
        return _text(_as_json(prompt))
    if _are_token_ids(prompt):
        return TokenEstimate(len(prompt), len(prompt), len(prompt))
    total = TokenEstimate(0, 0, 0)
    for item in prompt:
        total += _prompt(item) + TokenEstimate(0, 1, 2)
    return total


def _are_token_ids(prompt: Sequence[object]) -> bool:
    return bool(prompt) and all(isinstance(item, int) for item in prompt)


def _text(text: str) -> TokenEstimate:
    if text.isascii():  # read from a flag of the string: a megabyte costs nothing
        size = len(text)
        return TokenEstimate(-(-size // _MOST_BYTES_PER_TOKEN), -(-size // _ASCII_BYTES_PER_TOKEN), size)
    size = len(text.encode("utf-8", "surrogatepass"))
    ascii_size = sum(map(str.isascii, text)) if size < 65_536 else _sampled_ascii(text)
    likely = ascii_size / _ASCII_BYTES_PER_TOKEN + (size - ascii_size) / _OTHER_BYTES_PER_TOKEN
    return TokenEstimate(-(-size // _MOST_BYTES_PER_TOKEN), min(size, int(likely) + 1), size)


def _sampled_ascii(text: str) -> int:
    """ASCII characters of a long text, from every 64th one."""
    sample = text[::64]
    return len(text) * sum(map(str.isascii, sample)) // len(sample)


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
