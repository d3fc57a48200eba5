"""What a request says and what it is answered: pure, and the same for the same request every time.

Tokens are counted by rule, not by a tokenizer: a token for every four bytes of UTF-8 begun, and
`TOKENS_PER_MESSAGE` for the frame of each message. A word of an answer is one token.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

__all__ = ["TOKENS_PER_MESSAGE", "BadRequest", "Call", "answer_words", "count_text", "parse_call"]

TOKENS_PER_MESSAGE = 3

_BYTES_PER_TOKEN = 4
_WORDS: tuple[str, ...] = ("amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "harbor")
_WORDS += ("inlet", "kernel", "lagoon", "meadow", "orchid", "quartz", "river", "willow")


class BadRequest(ValueError):
    """The request is refused with `status`; the message says what is wrong."""

    def __init__(self, message: str, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Call:
    """One request for tokens, checked.

    Attributes:
        prompt: all its text; what the answer is made from.
        limit: output tokens at most.
        whole_limit: the answer does not end before the limit (vLLM's `ignore_eos`).
        choices: answers asked for (`n`).
    """

    model: str
    prompt: str
    input_tokens: int
    limit: int
    whole_limit: bool
    choices: int
    stream: bool
    include_usage: bool


def count_text(text: str) -> int:
    """Tokens of a text."""
    return -(-len(text.encode()) // _BYTES_PER_TOKEN)


def parse_call(body: Any, *, chat: bool, models: tuple[str, ...], context_tokens: int) -> Call:
    """The call in a request's JSON. Raises BadRequest with the status and wording of vLLM."""
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    model = body.get("model")
    if model not in models:
        raise BadRequest(f"The model `{model}` does not exist.", status=404, code="model_not_found")
    prompt, input_tokens = _chat_prompt(body) if chat else _plain_prompt(body)
    limit = _whole(body, "max_completion_tokens", _whole(body, "max_tokens", None))
    if input_tokens + (limit or 1) > context_tokens:
        raise BadRequest(
            f"This model's maximum context length is {context_tokens} tokens. However, you requested "
            f"{input_tokens + (limit or 1)} tokens ({input_tokens} in the messages, {limit or 1} in the "
            "completion). Please reduce the length of the messages or completion.",
            code="context_length_exceeded",
        )
    options = body.get("stream_options") or {}
    return Call(
        model=model,
        prompt=prompt,
        input_tokens=input_tokens,
        limit=context_tokens - input_tokens if limit is None else limit,
        whole_limit=body.get("ignore_eos") is True and limit is not None,
        choices=_whole(body, "n", 1) or 1,
        stream=body.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def answer_words(call: Call, choice: int, *, seed: int, usual_tokens: int) -> tuple[list[str], str]:
    """The words of one answer, one token each, and why it ended (`stop` or `length`)."""
    digest = hashlib.sha256(f"{seed}/{choice}/{call.model}/{call.prompt}".encode()).digest()
    wanted = call.limit if call.whole_limit else usual_tokens + digest[0] % usual_tokens
    count = min(wanted, call.limit)
    words = [_WORDS[(digest[n % 32] + n) % len(_WORDS)] for n in range(count)]
    return words, "length" if count < wanted or call.whole_limit else "stop"


def _chat_prompt(body: dict[str, Any]) -> tuple[str, int]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages must be a list with at least one message")
    texts = []
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise BadRequest("each message must be an object with a role")
        texts.append(_content(message.get("content")))
    tokens = sum(TOKENS_PER_MESSAGE + count_text(text) for text in texts)
    if body.get("tools"):
        tokens += count_text(json.dumps(body["tools"], separators=(",", ":")))
    return "\n".join(texts), tokens


def _content(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        return "".join(str(part.get("text", "")) for part in content)
    raise BadRequest("content must be a text or a list of parts")


def _plain_prompt(body: dict[str, Any]) -> tuple[str, int]:
    prompt = body.get("prompt")
    if not isinstance(prompt, str):
        raise BadRequest("prompt must be a text")
    return prompt, count_text(prompt)


def _whole(body: dict[str, Any], name: str, default: int | None) -> int | None:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BadRequest(f"{name} must be a whole number from 1")
    return value
