"""The bytes that go back: plain answers, chunks of a stream, errors, metrics."""

from __future__ import annotations

import json
from typing import Any

from .answers import BadRequest, Call

__all__ = ["DONE", "Envelope", "as_json", "error_document", "metrics_text", "refusal", "usage_document"]

DONE = b"data: [DONE]\n\n"
_CREATED = 1_790_000_000


def as_json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def error_document(status: int, message: str, code: str | None = None) -> dict[str, Any]:
    """OpenAI's and vLLM's form of an error."""
    kind = "invalid_request_error" if status < 500 and status != 429 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": code or status}}


def usage_document(call: Call, output_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": call.input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": call.input_tokens + output_tokens,
    }


class Envelope:
    """Everything around the words of one request's answer."""

    def __init__(self, call: Call, number: int, *, chat: bool) -> None:
        self._call, self._chat = call, chat
        kind = ("chat.completion.chunk" if call.stream else "chat.completion") if chat else "text_completion"
        self._head = {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-{number:012d}",
            "object": kind,
            "created": _CREATED,
            "model": call.model,
        }
        self._head_text = json.dumps(self._head, separators=(",", ":"))[:-1]

    def whole(self, answers: list[tuple[list[str], str]]) -> bytes:
        """The plain answer."""
        choices = []
        for index, (words, why) in enumerate(answers):
            text = " ".join(words)
            said = {"message": {"role": "assistant", "content": text}} if self._chat else {"text": text}
            choices.append({"index": index, **said, "logprobs": None, "finish_reason": why})
        usage = usage_document(self._call, sum(len(words) for words, _ in answers))
        return as_json({**self._head, "choices": choices, "usage": usage})

    def first(self, index: int) -> bytes | None:
        """The chunk that opens a chat's answer; plain completions have none."""
        return self._chunk(index, '"delta":{"role":"assistant","content":""}', "null") if self._chat else None

    def word(self, index: int, text: str) -> bytes:
        said = f'"delta":{{"content":"{text}"}}' if self._chat else f'"text":"{text}"'
        return self._chunk(index, said, "null")

    def last(self, index: int, why: str) -> bytes:
        return self._chunk(index, '"delta":{}' if self._chat else '"text":""', f'"{why}"')

    def usage(self, output_tokens: int) -> bytes:
        document = {**self._head, "choices": [], "usage": usage_document(self._call, output_tokens)}
        return b"data: " + as_json(document) + b"\n\n"

    def _chunk(self, index: int, said: str, why: str) -> bytes:
        # The words need no escaping, and a stream has many of these.
        return (
            f'data: {self._head_text},"choices":[{{"index":{index},{said},"logprobs":null,'
            f'"finish_reason":{why}}}]}}\n\n'
        ).encode()


def refusal(error: BadRequest) -> bytes:
    return as_json(error_document(error.status, str(error), error.code))


def metrics_text(models: tuple[str, ...], gauges: dict[str, float], counters: dict[str, float]) -> bytes:
    """Prometheus text under vLLM's names. All models of a mock share one engine, so each shows the same."""
    lines = []
    for kind, values in (("gauge", gauges), ("counter", counters)):
        for name, value in values.items():
            lines.append(f"# TYPE vllm:{name} {kind}")
            lines += [f'vllm:{name}{{model_name="{model}"}} {value:g}' for model in models]
    return ("\n".join(lines) + "\n").encode()
