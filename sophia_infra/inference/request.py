"""One call as it came in, and what it means for room and money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sophia_infra.inference.errors import OutputTooLong, PromptTooLong, RequestRefused
from sophia_infra.inference.tokens import TokenEstimate, count_tokens
from sophia_infra.inference.upstream import Endpoint
from sophia_infra.model.gateway import GatewayLimits, InferenceBudget, LatencyClass, Strategy

__all__ = ["CallShape", "InferenceCall", "parse_call"]

_MAX_ANSWERS = 128
_OUTPUT_FIELDS = ("max_tokens", "max_completion_tokens")


@dataclass(frozen=True, slots=True)
class InferenceCall:
    """What a caller wants.

    Attributes:
        body: OpenAI's request body; never changed.
        request_id: unique; the ledger takes each one once.
        strategy: instead of the configuration's; None leaves it.
        budgets: limits of this user beside those of all; None for none.
        models: names that this user may use, also as a fallback; empty for all.
    """

    endpoint: Endpoint
    body: Mapping[str, Any]
    user: str
    request_id: str
    session_id: str | None = None
    latency: LatencyClass = "standard"
    strategy: Strategy | None = None
    budgets: InferenceBudget | None = None
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CallShape:
    """What routing and money need to know of a body.

    Attributes:
        max_tokens: output asked for, of one answer; None when the caller left it open.
        answers: how many answers of that length can come: choices times prompts.
    """

    model: str
    input: TokenEstimate
    max_tokens: int | None
    answers: int
    stream: bool
    wants_usage: bool


def parse_call(call: InferenceCall, limits: GatewayLimits) -> CallShape:
    """Check what this room relies on; all other fields are the backend's business.

    Raises:
        RequestRefused: a field is missing or wrong.
        PromptTooLong, OutputTooLong: above this gateway's limits, whatever the model.
    """
    body = call.body
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise RequestRefused("model is missing.", next_step='Name one, or "auto".', param="model")
    prompts = _parse_input(call.endpoint, body)
    max_tokens = _parse_max_tokens(body, limits)
    choices = _parse_whole(body, "n", 1, _MAX_ANSWERS) or 1
    best_of = (_parse_whole(body, "best_of", 1, _MAX_ANSWERS) or 1) if call.endpoint == "completions" else 1
    estimate = count_tokens(body)
    if estimate.likely > limits.max_input_tokens:
        raise PromptTooLong("this gateway", estimate.likely, limits.max_input_tokens)
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise RequestRefused("stream must be true or false.", param="stream")
    options = body.get("stream_options")
    if options is not None and not isinstance(options, dict):
        raise RequestRefused("stream_options must be an object.", param="stream_options")
    return CallShape(
        model=model,
        input=estimate,
        max_tokens=max_tokens,
        answers=max(choices, best_of) * prompts,
        stream=bool(stream),
        wants_usage=bool(options and options.get("include_usage")),
    )


def _parse_input(endpoint: Endpoint, body: Mapping[str, Any]) -> int:
    """How many prompts there are."""
    if endpoint == "chat":
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise RequestRefused("messages must be a list of at least one message.", param="messages")
        if not all(
            isinstance(message, dict) and isinstance(message.get("role"), str) for message in messages
        ):
            raise RequestRefused("each of messages must be an object with a role.", param="messages")
        return 1
    prompt = body.get("prompt")
    if isinstance(prompt, str):
        return 1
    if not isinstance(prompt, list) or not prompt:
        raise RequestRefused("prompt must be a text, or a list of texts or token ids.", param="prompt")
    if len(prompt) > _MAX_ANSWERS and not isinstance(prompt[0], int):
        raise RequestRefused(f"prompt has more than {_MAX_ANSWERS} texts.", param="prompt")
    return 1 if isinstance(prompt[0], int) else len(prompt)


def _parse_max_tokens(body: Mapping[str, Any], limits: GatewayLimits) -> int | None:
    asked = [_parse_whole(body, name, 1, None) for name in _OUTPUT_FIELDS]
    given = [tokens for tokens in asked if tokens is not None]
    if not given:
        return None
    if max(given) > limits.max_output_tokens:
        raise OutputTooLong("this gateway", max(given), limits.max_output_tokens)
    return max(given)  # which of two a backend takes is its own choice: this holds for both


def _parse_whole(body: Mapping[str, Any], name: str, lowest: int, highest: int | None) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    fits = isinstance(value, int) and not isinstance(value, bool)
    if not fits or value < lowest or (highest is not None and value > highest):
        allowed = f"from {lowest}" if highest is None else f"from {lowest} to {highest}"
        raise RequestRefused(f"{name} must be a whole number {allowed}.", param=name)
    return int(value)
