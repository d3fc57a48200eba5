"""Asks a backend for the exact count of a prompt, where only that tells whether the call fits its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sophia_infra.inference.catalogue import ModelCatalogue
from sophia_infra.inference.request import CallShape
from sophia_infra.inference.tokens import ExactCounter, TokenEstimate
from sophia_infra.model.gateway import GatewayConfig

__all__ = ["CloseCounter"]

_TIMEOUT_S = 5.0


class CloseCounter:
    """Refines estimates that straddle a model's limit. Only vLLM can count; others leave the estimate."""

    def __init__(
        self,
        config: GatewayConfig,
        catalogue: ModelCatalogue,
        counters: Mapping[str, ExactCounter],
        ready: Callable[[str], Sequence[str]],
    ) -> None:
        self._backends = config.backends
        self._catalogue = catalogue
        self._counters = counters
        self._ready = ready

    async def refine(self, shape: CallShape, body: Mapping[str, Any]) -> CallShape:
        """`shape` with the exact input where it was close and a backend could say it.

        The upper bound stays: a fallback's tokenizer may count otherwise, and money is set aside for that.
        """
        limit = self._context_tokens(shape.model)
        if limit is None:
            return shape
        model, context_tokens = limit
        room = context_tokens - (shape.max_tokens or 1)
        if not shape.input.low <= room < shape.input.high:
            return shape
        for name in self._ready(model):
            backend = self._backends[name]
            if backend.kind != "vllm" or model not in backend.models:
                continue
            count = await self._counters[name].count(backend.models[model], body, _TIMEOUT_S)
            if count is not None:
                return replace(shape, input=TokenEstimate(count, count, max(count, shape.input.high)))
        return shape

    def _context_tokens(self, asked: str) -> tuple[str, int] | None:
        backend, _, rest = asked.partition("/")
        name = rest if backend in self._backends else asked
        card = self._catalogue.get(name)
        return None if card is None else (card.name, card.context_tokens)
