"""The OpenAPI 3.1 document of the gateway, served at /openapi.json."""

from __future__ import annotations

from functools import cache
from typing import Any

from sophia_infra.inference.gateway.schemas import COMPONENTS

__all__ = ["build_document"]

_VERSION = "1"
_ERRORS = {
    400: "The request cannot be right; the message says what is allowed.",
    401: "No key, or none that is known.",
    403: "The model is not for this user.",
    404: "No such model.",
    408: "The body did not arrive in time.",
    410: "The backend ended.",
    413: "The body is too large.",
    415: "The body is not announced as JSON.",
    429: "Too fast, too many at once, or over a budget.",
    500: "A mistake of the gateway.",
    502: "Every try failed.",
    503: "No backend is ready, the ledger is not there, or the gateway is closing.",
    504: "Not done in time.",
}
_CALL_ERRORS = tuple(_ERRORS)
_LIST_ERRORS = (401, 500)


@cache
def build_document() -> dict[str, Any]:
    """The whole document. The same one on every gateway: it depends on no configuration."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sophia inference gateway",
            "version": _VERSION,
            "description": "One OpenAI-compatible door to all models, with budgets.",
        },
        "paths": {
            "/v1/chat/completions": {"post": _call("createChatCompletion", "ChatRequest", "ChatAnswer")},
            "/v1/completions": {"post": _call("createCompletion", "CompletionRequest", "CompletionAnswer")},
            "/v1/models": {
                "get": {
                    "operationId": "listModels",
                    "responses": {"200": _json("The models of this key.", "Models"), **_errors(_LIST_ERRORS)},
                }
            },
            "/health": {"get": _probe("isAlive", {"200": _json("The process answers.", "Health")})},
            "/ready": {
                "get": _probe(
                    "isReady",
                    {
                        "200": _json("A model is loaded and the ledger works.", "Health"),
                        "503": _json("Not yet, or not any more.", "Health"),
                    },
                )
            },
            "/metrics": {
                "get": _probe(
                    "getMetrics",
                    {
                        "200": {
                            "description": "Prometheus text.",
                            "content": {"text/plain": {"schema": {"type": "string"}}},
                        }
                    },
                )
            },
        },
        "components": {
            "schemas": COMPONENTS,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}],
    }


def _call(operation: str, request: str, answer: str) -> dict[str, Any]:
    answered = _json("The answer; server-sent events with `stream`.", answer)
    answered["content"]["text/event-stream"] = {"schema": {"type": "string"}}
    answered["headers"] = {
        name: {"schema": {"type": "string"}, "description": text}
        for name, text in {
            "x-request-id": "The id under which the call is booked.",
            "x-sophia-cost-usd": "What it cost. A stream says it in its last comment instead.",
            "x-sophia-model": "The model that answered.",
            "x-sophia-backend": "The backend that answered.",
        }.items()
    }
    return {
        "operationId": operation,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{request}"}}},
        },
        "responses": {"200": answered, **_errors(_CALL_ERRORS)},
    }


def _probe(operation: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {"operationId": operation, "security": [], "responses": responses}


def _errors(statuses: tuple[int, ...]) -> dict[str, Any]:
    return {str(status): _json(_ERRORS[status], "Error") for status in statuses}


def _json(description: str, schema: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }
