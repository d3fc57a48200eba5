"""POST /v1/chat/completions and /v1/completions: load, fault, work, answer."""

from __future__ import annotations

from .answers import BadRequest, Call, parse_call
from .engine import Engine, Loading, Worked
from .exchange import Exchange
from .faults import Fault
from .replies import DONE, Envelope, as_json, error_document

__all__ = ["complete"]

_REFUSALS = {
    "rate_limited": (429, "Rate limit reached"),
    "internal_error": (500, "Internal Server Error"),
    "unavailable": (503, "Service Unavailable"),
    "bad_request": (400, "This request was made to fail"),
}
_MIDWAY = ("cut_midway", "malformed", "error_event", "hold")
_NOT_JSON = b'{"id": "broken", "choices": [{'
_EVENT_STREAM = b"text/event-stream; charset=utf-8"


async def complete(engine: Engine, exchange: Exchange, *, chat: bool) -> None:
    """Answer one request for tokens. Raises BadRequest for what vLLM refuses."""
    engine.taken += 1
    body = await exchange.read_json()
    try:
        await engine.wait_until_loaded()
    except Loading as loading:
        await _refuse(exchange, 503, str(loading), loading.left_s)
        return
    settings = engine.settings
    call = parse_call(body, chat=chat, models=settings.models, context_tokens=settings.context_tokens)
    fault = engine.faults.draw(call.prompt)
    kind = "" if fault is None else fault.kind
    if fault is not None and kind in _REFUSALS:
        status, message = _REFUSALS[kind]
        if status == 400:
            raise BadRequest(message)
        await _refuse(exchange, status, message, None if status == 500 else fault.retry_after_s)
        return
    if kind == "cut_before":
        await exchange.cut()
        return
    async with engine.work(call, exchange.header(b"x-request-id")) as worked:
        wire = _Wire(engine, exchange, call, Envelope(call, engine.taken, chat=chat), fault)
        if not await engine.first_token(fault.delay_s if fault and kind == "slow" else 0.0, wire.pause):
            worked.outcome = "client_gone"
        elif call.stream:
            await wire.stream(worked)
        else:
            await wire.plain(worked)


class _Wire:
    """The answer of one request as it leaves, spoiled where its fault says so."""

    def __init__(
        self, engine: Engine, exchange: Exchange, call: Call, envelope: Envelope, fault: Fault | None
    ) -> None:
        self._engine, self._exchange, self._call, self._envelope = engine, exchange, call, envelope
        self._kind = "" if fault is None else fault.kind
        self._fault_after = 0 if fault is None else fault.after_tokens
        self._answers = engine.answers(call)

    async def pause(self, virtual_s: float) -> bool:
        engine = self._engine
        return await self._exchange.pause(virtual_s / engine.settings.speed, engine.clock.sleep)

    async def plain(self, worked: Worked) -> None:
        exchange, kind = self._exchange, self._kind
        tokens = sum(len(words) for words, _ in self._answers)
        token_s = self._engine.settings.token_s
        is_here = not token_s or await self.pause(token_s * max(0, tokens - 1))
        if kind == "hold":
            is_here = await exchange.wait_for(self._engine.hold())
        if not is_here:
            worked.outcome = "client_gone"
            return
        worked.output_tokens = tokens
        body = self._envelope.whole(self._answers)
        if kind == "cut_after":
            worked.outcome = "cut"
            await exchange.cut()
        elif kind == "cut_midway":
            worked.outcome = "cut"
            await exchange.begin(b"application/json", len(body))
            await exchange.part(body[: len(body) // 2])
            await exchange.cut()
        elif kind == "malformed":
            worked.outcome = "malformed"
            await exchange.reply(_NOT_JSON)
        elif kind == "error_event":
            worked.outcome = "refused"
            await _refuse(exchange, 500, "Internal Server Error", None)
        elif exchange.is_gone():
            worked.outcome = "client_gone"
        else:
            await exchange.reply(body)

    async def stream(self, worked: Worked) -> None:
        exchange, envelope, kind = self._exchange, self._envelope, self._kind
        if kind == "cut_after":
            worked.outcome, worked.output_tokens = "cut", sum(len(words) for words, _ in self._answers)
            await exchange.cut()
            return
        await exchange.begin(_EVENT_STREAM)
        for index, (words, why) in enumerate(self._answers):
            if opening := envelope.first(index):
                await exchange.part(opening)
            for place, word in enumerate(words):
                if await self._is_spoiled(worked):
                    return
                if not await self._token(worked, envelope.word(index, word if place == 0 else f" {word}")):
                    return
            if kind and await self._is_spoiled(worked, at_end=True):
                return
            await exchange.part(envelope.last(index, why))
        if self._call.include_usage:
            await exchange.part(envelope.usage(worked.output_tokens))
        if exchange.is_gone():
            worked.outcome = "client_gone"
        await exchange.part(DONE)
        await exchange.part(b"", more=False)

    async def _token(self, worked: Worked, chunk: bytes) -> bool:
        token_s = self._engine.settings.token_s
        if token_s and worked.output_tokens and not await self.pause(token_s):
            worked.outcome = "client_gone"
            return False
        worked.output_tokens += 1
        await self._exchange.part(chunk)
        return True

    async def _is_spoiled(self, worked: Worked, *, at_end: bool = False) -> bool:
        """Spoil the stream here if its fault says so; at the end whatever the count."""
        exchange, kind = self._exchange, self._kind
        if kind not in _MIDWAY or (worked.output_tokens < self._fault_after and not at_end):
            return False
        if kind == "hold":
            self._kind = ""  # once is enough
            if await exchange.wait_for(self._engine.hold()):
                return False
            worked.outcome = "client_gone"
            return True
        worked.outcome = "cut"
        if kind == "cut_midway":
            await exchange.cut()
            return True
        worked.outcome = "malformed" if kind == "malformed" else "refused"
        error = as_json(error_document(500, "Internal Server Error"))
        await exchange.part(b"data: " + (_NOT_JSON if kind == "malformed" else error) + b"\n\n")
        await exchange.part(DONE)
        await exchange.part(b"", more=False)
        return True


async def _refuse(exchange: Exchange, status: int, message: str, retry_after_s: float | None) -> None:
    after = () if retry_after_s is None else ((b"retry-after", f"{retry_after_s:g}".encode()),)
    await exchange.reply(as_json(error_document(status, message)), status, after)
