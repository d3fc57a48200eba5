"""JSON schemas of what the gateway takes and gives: requests are checked against them, the OpenAPI document
shows them. Fields that they do not name pass on to the backend as they are.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["COMPONENTS", "MAX_CHOICES"]

Schema = dict[str, Any]

MAX_CHOICES: Final = 16
"""Answers to one prompt. Each may be max_tokens long, so this bounds what one request can cost."""

_COUNT: Final[Schema] = {"type": ["integer", "null"], "minimum": 1, "maximum": 100_000_000}
_PENALTY: Final[Schema] = {"type": ["number", "null"], "minimum": -2, "maximum": 2}
_STOP: Final[Schema] = {
    "description": "a text or a list of up to 16 texts",
    "anyOf": [
        {"type": ["string", "null"]},
        {"type": "array", "items": {"type": "string"}, "maxItems": 16},
    ],
}

_SAMPLING: Final[dict[str, Schema]] = {
    "model": {
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "description": "a model of GET /v1/models, an alias of one, or auto",
    },
    "stream": {"type": ["boolean", "null"]},
    "stream_options": {
        "type": ["object", "null"],
        "properties": {"include_usage": {"type": ["boolean", "null"]}},
    },
    "max_tokens": _COUNT,
    "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
    "top_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
    "n": {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_CHOICES},
    "presence_penalty": _PENALTY,
    "frequency_penalty": _PENALTY,
    "stop": _STOP,
    "seed": {
        "type": ["integer", "null"],
        "minimum": -9_223_372_036_854_775_808,
        "maximum": 9_223_372_036_854_775_807,
    },
    "user": {"type": ["string", "null"], "description": "passed on; whom the call is booked on is the key's"},
}

_MESSAGE: Final[Schema] = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": {
            "description": "system, developer, user, assistant, tool or function",
            "enum": ["system", "developer", "user", "assistant", "tool", "function"],
        },
        "content": {
            "description": "a text, a list of parts with a type each, or null",
            "anyOf": [
                {"type": ["string", "null"]},
                {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["type"],
                        "properties": {"type": {"type": "string"}, "text": {"type": "string"}},
                    },
                },
            ],
        },
        "name": {"type": ["string", "null"]},
        "tool_call_id": {"type": ["string", "null"]},
        "tool_calls": {"type": ["array", "null"], "items": {"type": "object"}},
    },
}

_CHAT: Final[Schema] = {
    "type": "object",
    "required": ["model", "messages"],
    "properties": {
        **_SAMPLING,
        "messages": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Message"}},
        "max_completion_tokens": _COUNT,
        "tools": {"type": ["array", "null"], "items": {"type": "object"}},
        "response_format": {"type": ["object", "null"]},
    },
}

_COMPLETION: Final[Schema] = {
    "type": "object",
    "required": ["model", "prompt"],
    "properties": {
        **_SAMPLING,
        "prompt": {
            "description": "a text, or a list of texts or token ids",
            "anyOf": [
                {"type": "string"},
                {"type": "array", "minItems": 1, "maxItems": 128, "items": {"type": "string"}},
                {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}},
            ],
        },
        "best_of": {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_CHOICES},
    },
}

_USAGE: Final[Schema] = {
    "type": "object",
    "required": ["prompt_tokens", "completion_tokens", "total_tokens"],
    "properties": {
        "prompt_tokens": {"type": "integer", "minimum": 0},
        "completion_tokens": {"type": "integer", "minimum": 0},
        "total_tokens": {"type": "integer", "minimum": 0},
    },
}


def _answer(choice: Schema) -> Schema:
    return {
        "type": "object",
        "required": ["choices"],
        "properties": {
            "id": {"type": "string"},
            "object": {"type": "string"},
            "created": {"type": "integer"},
            "model": {"type": "string"},
            "choices": {"type": "array", "items": choice},
            "usage": {"$ref": "#/components/schemas/Usage"},
        },
    }


_MODEL: Final[Schema] = {
    "type": "object",
    "required": [
        "id",
        "object",
        "created",
        "owned_by",
        "context_tokens",
        "max_output_tokens",
        "usd_per_million_input",
        "usd_per_million_output",
        "aliases",
        "ready",
    ],
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "model"},
        "created": {"type": "integer"},
        "owned_by": {"type": "string"},
        "context_tokens": {"type": "integer", "description": "input and output together"},
        "max_output_tokens": {"type": "integer"},
        "usd_per_million_input": {"type": "string", "description": "the lowest of the backends, a decimal"},
        "usd_per_million_output": {"type": "string", "description": "the lowest of the backends, a decimal"},
        "aliases": {"type": "array", "items": {"type": "string"}},
        "ready": {"type": "boolean", "description": "a backend has it loaded"},
    },
}

COMPONENTS: Final[dict[str, Schema]] = {
    "Message": _MESSAGE,
    "ChatRequest": _CHAT,
    "CompletionRequest": _COMPLETION,
    "Usage": _USAGE,
    "ChatAnswer": _answer(
        {
            "type": "object",
            "required": ["index", "message"],
            "properties": {"index": {"type": "integer"}, "message": {"type": "object"}},
        }
    ),
    "CompletionAnswer": _answer(
        {
            "type": "object",
            "required": ["index", "text"],
            "properties": {"index": {"type": "integer"}, "text": {"type": "string"}},
        }
    ),
    "Model": _MODEL,
    "Models": {
        "type": "object",
        "required": ["object", "data"],
        "properties": {
            "object": {"const": "list"},
            "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}},
        },
    },
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type", "code", "param"],
                "properties": {
                    "message": {"type": "string"},
                    "type": {"type": "string"},
                    "code": {"type": "string"},
                    "param": {"type": ["string", "null"]},
                },
            }
        },
    },
    "Health": {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"enum": ["alive", "ready", "not ready"]}},
    },
}
