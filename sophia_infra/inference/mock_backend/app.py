"""The ASGI application: OpenAI's and vLLM's paths, and `/_mock/` to control and to look."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from sophia_infra.inference.clock import Clock, SystemClock

from .answers import BadRequest, parse_call
from .completions import complete
from .engine import Engine
from .exchange import ClientGone, Exchange
from .faults import Fault, InvalidFault
from .replies import as_json, error_document, metrics_text, refusal
from .settings import MockSettings

__all__ = ["MockApp", "create_app"]

_TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
_PAGE = 10_000


def create_app(settings: MockSettings | None = None, clock: Clock | None = None) -> MockApp:
    """The application of one backend, for any ASGI server or client; `.engine` is its state."""
    return MockApp(Engine(settings or MockSettings(), clock or SystemClock()))


class MockApp:
    """A table of routes: a router that matches patterns would cost more than the answer."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._routes: dict[tuple[str, str], Callable[[Exchange, Scope], Awaitable[None]]] = {
            ("POST", "/v1/chat/completions"): self._chat,
            ("POST", "/v1/completions"): self._plain,
            ("GET", "/v1/models"): self._models,
            ("GET", "/health"): self._health,
            ("POST", "/tokenize"): self._tokenize,
            ("GET", "/metrics"): self._metrics,
            ("GET", "/_mock/log"): self._log,
            ("DELETE", "/_mock/log"): self._clear_log,
            ("GET", "/_mock/faults"): self._faults,
            ("POST", "/_mock/faults"): self._add_fault,
            ("DELETE", "/_mock/faults"): self._clear_faults,
            ("POST", "/_mock/cold"): self._cold,
            ("GET", "/_mock/held"): self._held,
            ("POST", "/_mock/release"): self._release,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"a mock backend serves HTTP only, not {scope['type']}")
        exchange = Exchange(scope, receive, send)
        route = self._routes.get((scope["method"], scope["path"]))
        try:
            if route is None:
                known = any(path == scope["path"] for _, path in self._routes)
                raise BadRequest("Method Not Allowed" if known else "Not Found", status=405 if known else 404)
            await route(exchange, scope)
        except BadRequest as error:
            await exchange.reply(refusal(error), error.status)
        except ClientGone:
            return
        finally:
            exchange.close()

    async def _chat(self, exchange: Exchange, _: Scope) -> None:
        await complete(self.engine, exchange, chat=True)

    async def _plain(self, exchange: Exchange, _: Scope) -> None:
        await complete(self.engine, exchange, chat=False)

    async def _health(self, exchange: Exchange, _: Scope) -> None:
        """vLLM answers with an empty body."""
        await exchange.reply(b"", 503 if self.engine.loading_s else 200)

    async def _models(self, exchange: Exchange, _: Scope) -> None:
        settings = self.engine.settings
        if self.engine.loading_s:
            await exchange.reply(as_json(error_document(503, "the model is still loading")), 503)
            return
        cards = [
            {
                "id": name,
                "object": "model",
                "created": 1_790_000_000,
                "owned_by": "mock",
                "max_model_len": settings.context_tokens,
            }
            for name in settings.models
        ]
        await exchange.reply(as_json({"object": "list", "data": cards}))

    async def _tokenize(self, exchange: Exchange, _: Scope) -> None:
        body = await exchange.read_json()
        settings = self.engine.settings
        is_chat = isinstance(body, dict) and "messages" in body
        # The count may be over the context: the caller asks because it wants to know.
        call = parse_call(
            {"model": settings.models[0], **body} if isinstance(body, dict) else body,
            chat=is_chat,
            models=settings.models,
            context_tokens=10**12,
        )
        count = call.input_tokens
        await exchange.reply(
            as_json({"count": count, "max_model_len": settings.context_tokens, "tokens": list(range(count))})
        )

    async def _metrics(self, exchange: Exchange, _: Scope) -> None:
        engine = self.engine
        text = metrics_text(engine.settings.models, engine.gauges(), engine.counters())
        await exchange.reply(text, content_type=_TEXT)

    async def _log(self, exchange: Exchange, scope: Scope) -> None:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        try:
            since, limit = (int(query.get(name, [str(usual)])[0]) for name, usual in _QUERY)
        except ValueError:
            raise BadRequest("since and limit are whole numbers") from None
        document = self.engine.log.as_document(since, limit)
        document["taken"] = self.engine.taken
        document["refused_while_loading"] = self.engine.refused_while_loading
        await exchange.reply(as_json(document))

    async def _clear_log(self, exchange: Exchange, _: Scope) -> None:
        self.engine.log.clear()
        await exchange.reply(b"{}")

    async def _faults(self, exchange: Exchange, _: Scope) -> None:
        await exchange.reply(as_json({"rules": [asdict(rule) for rule in self.engine.faults.rules]}))

    async def _add_fault(self, exchange: Exchange, _: Scope) -> None:
        body = await exchange.read_json()
        try:
            fault = self.engine.faults.add(Fault(**body))
        except (InvalidFault, TypeError) as error:
            raise BadRequest(str(error)) from None
        await exchange.reply(as_json(asdict(fault)))

    async def _clear_faults(self, exchange: Exchange, _: Scope) -> None:
        self.engine.faults.clear()
        await exchange.reply(b"{}")

    async def _held(self, exchange: Exchange, _: Scope) -> None:
        await exchange.reply(as_json({"held": self.engine.held}))

    async def _release(self, exchange: Exchange, _: Scope) -> None:
        await exchange.reply(as_json({"released": self.engine.release()}))

    async def _cold(self, exchange: Exchange, _: Scope) -> None:
        """Body `{"seconds": N}`: lose the model, and load it again for N virtual seconds."""
        body = await exchange.read_json()
        seconds = body.get("seconds") if isinstance(body, dict) else None
        if not isinstance(seconds, (int, float)) or seconds < 0:
            raise BadRequest("seconds must be a number from 0")
        self.engine.get_cold(float(seconds))
        await exchange.reply(b"{}")


_QUERY = (("since", 0), ("limit", _PAGE))
