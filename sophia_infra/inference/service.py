"""The client of this room, under the names of the migration plan.

    async with LambdaServerlessService() as service:
        answer = await service.generate_async("Say yes.")
        print(answer.text, answer.usage.total_tokens, answer.cost)

"Lambda serverless" is the plan's name: Lambda's Inference API ended on 2025-09-25. This talks to a gateway,
or straight to any OpenAI-compatible backends of a GatewayConfig.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sophia_infra.inference.answers import StreamChunk, parse_answer
from sophia_infra.inference.budgets import AsyncLedger, NoLedger
from sophia_infra.inference.catalogue import ModelCatalogue, load_catalogue
from sophia_infra.inference.clock import Clock, SystemClock
from sophia_infra.inference.config_file import read_config
from sophia_infra.inference.dispatch import Dispatcher
from sophia_infra.inference.errors import SettingsRefused
from sophia_infra.inference.generation import (
    Generation,
    ServiceHealth,
    chat_body,
    delta_text,
    first_text,
    generation_of,
)
from sophia_infra.inference.request import InferenceCall
from sophia_infra.inference.service_config import CONFIG_VARIABLE, GATEWAY, gateway_client
from sophia_infra.inference.tracking import tracked_entry
from sophia_infra.inference.transport import BackendTransport, make_transports
from sophia_infra.inference.upstream import AttemptFailed, Transport
from sophia_infra.model.gateway import GatewayConfig, LatencyClass, Strategy

__all__ = ["DEFAULT_MODEL", "LambdaServerlessService"]

DEFAULT_MODEL = "llama-4-scout-17b"

_PROBE_TIMEOUT_S = 5.0


class LambdaServerlessService:
    """Generates text and keeps account of it.

    Args:
        config: backends and limits. None: the file that SOPHIA_INFERENCE_CONFIG names; else the gateway at
            SOPHIA_INFERENCE_URL with the key in SOPHIA_INFERENCE_KEY, which then keeps books, budgets and
            prices.
        ledger: the books; None keeps none. Closed with this service.
        transports: ways to the backends; made from the configuration when None.

    Raises:
        SettingsRefused: none of the three is there, or one cannot be right.
    """

    def __init__(
        self,
        config: GatewayConfig | None = None,
        *,
        ledger: AsyncLedger | None = None,
        catalogue: ModelCatalogue | None = None,
        transports: Mapping[str, Transport] | None = None,
        environ: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        known = os.environ if environ is None else environ
        self._catalogue = catalogue or load_catalogue()
        self._clock: Clock = clock or SystemClock()
        self._behind_gateway = config is None and not known.get(CONFIG_VARIABLE)
        if config is None:
            file = known.get(CONFIG_VARIABLE)
            names = [card.name for card in self._catalogue]
            config = read_config(Path(file)) if file else gateway_client(known, names)
        self._config = config
        self._ledger: AsyncLedger = ledger or NoLedger()
        self._transports = transports or make_transports(config, known, self._clock)
        self._dispatcher = self._dispatch(config)

    async def __aenter__(self) -> Self:
        """Behind a gateway: asks which models it serves, so that a wrong address or key shows at once.

        Raises:
            SettingsRefused: it does not answer, or serves no model of the catalogue.
        """
        transport = self._transports.get(GATEWAY)
        if self._behind_gateway and isinstance(transport, BackendTransport):
            try:
                served = await transport.models(_PROBE_TIMEOUT_S)
            except AttemptFailed as failure:
                await self.aclose()
                address = self._config.backends[GATEWAY].base_url
                raise SettingsRefused(
                    f"The gateway at {address} did not list its models: {failure}.",
                    next_step="Check SOPHIA_INFERENCE_URL and SOPHIA_INFERENCE_KEY.",
                ) from None
            self._narrow(served)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close connections and books."""
        await self._dispatcher.aclose()

    async def generate_async(
        self,
        prompt: str | None = None,
        *,
        messages: Sequence[Mapping[str, Any]] | None = None,
        model: str = DEFAULT_MODEL,
        max_tokens: int | None = None,
        temperature: float | None = None,
        user: str = "local",
        session_id: str | None = None,
        request_id: str | None = None,
        latency: LatencyClass = "standard",
        strategy: Strategy | None = None,
        **fields: Any,
    ) -> Generation:
        """One answer.

        Args:
            prompt: one message of the user; give this or `messages`.
            model: a name or alias of the catalogue, `auto`, or `<backend>/<model>`.
            max_tokens: of the answer; 4096 when None.
            temperature: 0 lets the answer be kept and given again for nothing.
            request_id: for the ledger; a new one when None.
            fields: further fields of OpenAI's chat completions, as they are.

        Raises:
            InferenceError: nothing was generated, or not all; what was paid is written down.
        """
        body = chat_body(prompt, messages, model, max_tokens, temperature, fields)
        name = request_id or _new_request_id()
        call = InferenceCall("chat", body, user, name, session_id, latency, strategy)
        answer = await self._dispatcher.complete(call)
        parsed = parse_answer(answer.body)
        text, reason = first_text(parsed)
        return generation_of(answer, text, reason, name, parsed, self._behind_gateway)

    async def stream_async(
        self,
        prompt: str | None = None,
        *,
        messages: Sequence[Mapping[str, Any]] | None = None,
        model: str = DEFAULT_MODEL,
        max_tokens: int | None = None,
        temperature: float | None = None,
        user: str = "local",
        session_id: str | None = None,
        request_id: str | None = None,
        latency: LatencyClass = "standard",
        strategy: Strategy | None = None,
        **fields: Any,
    ) -> AsyncGenerator[str | Generation, None]:
        """Pieces of text as they come, then the Generation. Arguments and errors as `generate_async`."""
        body = chat_body(prompt, messages, model, max_tokens, temperature, {**fields, "stream": True})
        name = request_id or _new_request_id()
        call = InferenceCall("chat", body, user, name, session_id, latency, strategy)
        events = self._dispatcher.stream(call)
        pieces: list[str] = []
        try:
            async for event in events:
                if isinstance(event, StreamChunk):
                    piece = delta_text(event.data)
                    if piece:
                        pieces.append(piece)
                        yield piece
                else:
                    yield generation_of(event, "".join(pieces), None, name, {}, self._behind_gateway)
        finally:
            await events.aclose()

    async def track_usage(
        self,
        tokens_used: int,
        cost_usd: Decimal | int | str | float,
        model: str,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        request_id: str | None = None,
        user: str = "local",
    ) -> bool:
        """Write down a use that did not go through this service.

        Args:
            tokens_used: in all; counted as input unless the two parts are given.
            cost_usd: dollars, at most twelve decimals; a float counts as it is printed.
            request_id: the same one again changes nothing.

        Returns:
            Whether it is new.

        Raises:
            RequestRefused: negative or inexact figures, or parts that are not the whole.
            UnknownModel: not in the catalogue.
        """
        entry = tracked_entry(
            self._catalogue.find(model),
            tokens_used,
            cost_usd,
            parts=None
            if (input_tokens, output_tokens) == (None, None)
            else (input_tokens or 0, output_tokens or 0),
            request_id=request_id or _new_request_id(),
            user=user,
            at=self._clock.now(),
        )
        return await self._ledger.track(entry)

    async def health(self) -> ServiceHealth:
        """Ask each backend. Costs nothing; takes five seconds at most for each."""
        answers = {}
        for name, transport in self._transports.items():
            is_there = isinstance(transport, BackendTransport) and await transport.is_healthy(
                _PROBE_TIMEOUT_S
            )
            answers[name] = is_there
        return ServiceHealth(answers)

    def _dispatch(self, config: GatewayConfig) -> Dispatcher:
        return Dispatcher(config, self._catalogue, self._ledger, self._transports, clock=self._clock)

    def _narrow(self, served: Sequence[str]) -> None:
        backend = self._config.backends[GATEWAY]
        models = {name: name for name in backend.models if name in served}
        if not models:
            raise SettingsRefused("The gateway serves no model of the catalogue.")
        narrowed = backend.model_copy(update={"models": models})
        self._config = self._config.model_copy(update={"backends": {GATEWAY: narrowed}})
        self._dispatcher = self._dispatch(self._config)


def _new_request_id() -> str:
    return f"req-{uuid.uuid4().hex}"
