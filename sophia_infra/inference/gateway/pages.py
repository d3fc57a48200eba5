"""The addresses beside the calls: models, health, readiness, metrics, the OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from sophia_infra.inference.errors import InferenceError, UnknownModel
from sophia_infra.inference.gateway.door import Door
from sophia_infra.inference.gateway.metrics import METRICS_TYPE
from sophia_infra.inference.gateway.openapi import build_document
from sophia_infra.inference.gateway.replies import send_error, send_json, send_whole

__all__ = ["Pages"]

Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


class _Page:
    """A bound method as an ASGI application: starlette would take a function for one of requests."""

    def __init__(self, serve: Asgi) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, receive, send)


class Pages:
    """Each attribute is an ASGI application."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.models = _Page(self._models)
        self.model = _Page(self._model)
        self.health = _Page(self._health)
        self.ready = _Page(self._ready)
        self.metrics = _Page(self._metrics)
        self.document = _Page(self._document)

    async def _models(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        try:
            user = self._door.caller(Headers(scope=scope)).user
        except InferenceError as error:
            await send_error(send, error, self._door.new_request_id())
            return
        warm = self._door.pool.warm()
        models = [self._describe(name, ready=warm.get(name, 0) > 0) for name in self._door.models_of(user)]
        await send_json(send, {"object": "list", "data": models})

    async def _model(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        try:
            user = self._door.caller(Headers(scope=scope)).user
            asked = str(scope["path_params"]["model"])
            name, mine = self._door.catalogue.find(asked).name, self._door.models_of(user)
            if name not in mine:
                raise UnknownModel(asked, mine)
        except InferenceError as error:
            await send_error(send, error, self._door.new_request_id())
            return
        await send_json(send, self._describe(name, ready=self._door.pool.warm().get(name, 0) > 0))

    async def _health(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await send_json(send, {"status": "alive"})

    async def _ready(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Ready when some model is loaded somewhere, the ledger works and no SIGTERM came."""
        door = self._door
        warm = door.pool.warm()
        works = door.ledger_works()
        ready = any(warm.values()) and works and not door.leaving
        document = {
            "status": "ready" if ready else "not ready",
            "leaving": door.leaving,
            "ledger": "works" if works else "does not work",
            "warm_backends": warm,
            "missing_backends": door.pool.shortage(),
            "cold": door.pool.reasons(),
        }
        await send_json(send, document, status=200 if ready else 503)

    async def _metrics(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await send_whole(send, self._door.metrics.text(), kind=METRICS_TYPE)

    async def _document(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await send_json(send, build_document())

    def _describe(self, name: str, *, ready: bool) -> dict[str, Any]:
        card = self._door.catalogue.find(name)
        catalogue_price = card.price()
        inputs: list[Decimal] = []
        outputs: list[Decimal] = []
        for backend in self._door.config.backends.values():
            if name in backend.models:
                price = backend.prices.get(name, catalogue_price)
                inputs.append(Decimal(price.usd_per_million_input))
                outputs.append(Decimal(price.usd_per_million_output))
        return {
            "id": name,
            "object": "model",
            "created": 0,
            "owned_by": card.vendor,
            "context_tokens": card.context_tokens,
            "max_output_tokens": min(card.max_output_tokens, self._door.config.limits.max_output_tokens),
            "usd_per_million_input": format(min(inputs), "f"),
            "usd_per_million_output": format(min(outputs), "f"),
            "aliases": list(card.aliases),
            "ready": ready,
        }
