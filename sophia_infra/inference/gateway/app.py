"""The ASGI application of the gateway."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sophia_infra.inference.errors import InferenceError
from sophia_infra.inference.gateway.call_endpoint import CallEndpoint
from sophia_infra.inference.gateway.door import Door
from sophia_infra.inference.gateway.errors import GatewayFailed, MethodUnknown, PathUnknown
from sophia_infra.inference.gateway.pages import Pages
from sophia_infra.inference.gateway.replies import error_document

__all__ = ["make_app"]


def make_app(door: Door) -> Starlette:
    """Serve `door` over HTTP. Every answer that is an error has OpenAI's form, whatever raised it."""
    pages = Pages(door)
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", CallEndpoint(door, "chat"), methods=["POST"]),
            Route("/v1/completions", CallEndpoint(door, "completions"), methods=["POST"]),
            Route("/v1/models", pages.models, methods=["GET"]),
            Route("/v1/models/{model:path}", pages.model, methods=["GET"]),
            Route("/health", pages.health, methods=["GET"]),
            Route("/ready", pages.ready, methods=["GET"]),
            Route("/metrics", pages.metrics, methods=["GET"]),
            Route("/openapi.json", pages.document, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _refuse_route},
    )
    app.router.redirect_slashes = False
    return app


def _refuse_route(request: Request, error: Exception) -> Response:  # noqa: ARG001 - starlette's signature
    if not isinstance(error, HTTPException):
        raise error
    refusal: InferenceError
    headers = dict(error.headers or {})
    if error.status_code == 405:
        refusal = MethodUnknown(headers.get("Allow", ""))
    elif error.status_code == 404:
        refusal = PathUnknown("There is no such address.")
    else:
        refusal = GatewayFailed("The gateway made a mistake with this request.")
    return JSONResponse(error_document(refusal), status_code=refusal.status, headers=headers)
