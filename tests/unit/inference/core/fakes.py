"""A ledger in memory that is strict about its rules, and backends whose faults are written in a list."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from sophia_infra.inference.budgets import BudgetScope, next_window_start, window_limit_usd, windows
from sophia_infra.inference.clock import Clock
from sophia_infra.inference.errors import LedgerUnavailable, OverBudget
from sophia_infra.inference.request import InferenceCall
from sophia_infra.inference.upstream import AttemptFailed, Endpoint, RawAnswer, RawStream
from sophia_infra.inference.usage import Reservation, UsageEntry
from sophia_infra.model.gateway import GatewayConfig

__all__ = ["SCOUT", "FakeTransport", "MemoryLedger", "Script", "chat", "completion", "config_for"]

SCOUT = "llama-4-scout-17b-16e-instruct"


class MemoryLedger:
    """Refuses what a real one would; `violations` tells where a caller broke the exactly-once rule.

    `mute_reserves`: how many are written without an answer.
    """

    def __init__(self, *, turns: int = 1, fail_settles: int = 0, mute_reserves: int = 0) -> None:
        self.open: dict[str, tuple[Reservation, tuple[BudgetScope, ...]]] = {}
        self.entries: dict[str, UsageEntry] = {}
        self.released: list[str] = []
        self.spent: dict[tuple[str, str, object], Decimal] = {}
        self.highest: dict[tuple[str, str], Decimal] = {}
        self.percent = 0
        self.closed = False
        self.violations: list[str] = []
        self._turns = turns
        self._fail_settles = fail_settles
        self._mute_reserves = mute_reserves

    async def reserve(self, reservation: Reservation, budgets: Sequence[BudgetScope]) -> None:
        # Written even when the caller goes away meanwhile, as by a thread.
        await asyncio.shield(asyncio.ensure_future(self._reserve(reservation, budgets)))

    async def _reserve(self, reservation: Reservation, budgets: Sequence[BudgetScope]) -> None:
        await self._pass_turns()
        request_id = reservation.request_id
        self._rule(request_id not in self.open, "reserved twice")
        self._rule(request_id not in self.entries, "reserved after it was settled")
        for scope in budgets:
            self._check(scope, reservation)
        for scope in budgets:
            self._add(scope, reservation, reservation.usd)
        self.open[request_id] = (reservation, tuple(budgets))
        if self._mute_reserves > 0:
            self._mute_reserves -= 1
            raise LedgerUnavailable("It was written, and the answer was lost.")

    async def settle(self, entry: UsageEntry) -> bool:
        await self._pass_turns()
        if self._fail_settles > 0:
            self._fail_settles -= 1
            raise LedgerUnavailable("The ledger is away.")
        self._rule(entry.request_id not in self.entries, "settled twice")
        self._rule(entry.request_id in self.open, "settled without a reservation")
        reservation, budgets = self.open.pop(entry.request_id)
        for scope in budgets:
            self._add(scope, reservation, entry.usd - reservation.usd)
        self.entries[entry.request_id] = entry
        return True

    async def release(self, request_id: str) -> None:
        await self._pass_turns()
        self._rule(request_id not in self.released, "released twice")
        self._rule(request_id not in self.entries, "released after it was settled")
        self.released.append(request_id)
        if request_id in self.open:
            reservation, budgets = self.open.pop(request_id)
            for scope in budgets:
                self._add(scope, reservation, -reservation.usd)

    async def track(self, entry: UsageEntry) -> bool:
        await self._pass_turns()
        if entry.request_id in self.entries:
            return False
        self.entries[entry.request_id] = entry
        return True

    def pressure(self, user: str) -> int:
        return self.percent

    async def aclose(self) -> None:
        self.closed = True

    def _rule(self, holds: bool, broken: str) -> None:
        if not holds:
            self.violations.append(broken)
            raise AssertionError(broken)

    async def _pass_turns(self) -> None:
        for _ in range(self._turns):
            await asyncio.sleep(0)

    def _check(self, scope: BudgetScope, reservation: Reservation) -> None:
        limit = scope.budget.usd_per_request
        if reservation.usd > limit:
            raise OverBudget(
                scope=scope.name,
                window="request",
                limit_usd=limit,
                spent_usd=Decimal(0),
                asked_usd=reservation.usd,
            )
        for window, start in windows(reservation.at):
            limit = window_limit_usd(scope.budget, window)
            spent = self.spent.get((scope.name, window, start), Decimal(0))
            if spent + reservation.usd > limit:
                raise OverBudget(
                    scope=scope.name,
                    window=window,
                    limit_usd=limit,
                    spent_usd=spent,
                    asked_usd=reservation.usd,
                    resets_at=next_window_start(reservation.at, window),
                )

    def _add(self, scope: BudgetScope, reservation: Reservation, usd: Decimal) -> None:
        for window, start in windows(reservation.at):
            key = (scope.name, window, start)
            self.spent[key] = self.spent.get(key, Decimal(0)) + usd
            known = self.highest.get((scope.name, window), Decimal(0))
            self.highest[scope.name, window] = max(known, self.spent[key])


@dataclass
class Script:
    """What a backend does with one request: the failure, or the answer after `delay_s`."""

    failure: AttemptFailed | None = None
    delay_s: float = 0.0
    input_tokens: int = 10
    output_tokens: int = 5
    body: bytes | None = None
    chunks: Sequence[bytes | AttemptFailed | float] | None = None
    """Stream payloads; a failure ends it, a number is a wait in seconds."""


@dataclass
class FakeTransport:
    """Plays its scripts in order, then answers well for ever."""

    clock: Clock
    scripts: list[Script] = field(default_factory=list)
    exact: int | None = None
    bodies: list[dict[str, Any]] = field(default_factory=list)
    counted: int = 0
    open_streams: int = 0
    closed: bool = False

    async def complete(
        self, endpoint: Endpoint, body: Mapping[str, Any], *, request_id: str, timeout_s: float
    ) -> RawAnswer:
        script = await self._begin(body)
        return RawAnswer(200, script.body or completion(script.input_tokens, script.output_tokens))

    async def open_stream(
        self, endpoint: Endpoint, body: Mapping[str, Any], *, request_id: str, timeout_s: float
    ) -> RawStream:
        script = await self._begin(body)
        chunks = script.chunks
        if chunks is None:
            chunks = [
                chunk("a"),
                chunk("b"),
                usage_chunk(script.input_tokens, script.output_tokens),
                b"[DONE]",
            ]
        self.open_streams += 1
        return _FakeStream(self, list(chunks))

    async def count(self, model: str, body: Mapping[str, Any], timeout_s: float) -> int | None:
        self.counted += 1
        return self.exact

    async def aclose(self) -> None:
        self.closed = True

    async def _begin(self, body: Mapping[str, Any]) -> Script:
        self.bodies.append(dict(body))
        script = self.scripts.pop(0) if self.scripts else Script()
        await self.clock.sleep(script.delay_s)
        if script.failure is not None:
            raise script.failure
        return script


class _FakeStream:
    def __init__(self, transport: FakeTransport, chunks: list[bytes | AttemptFailed | float]) -> None:
        self._transport = transport
        self._chunks = chunks
        self._closed = False

    async def next(self) -> bytes | None:
        await asyncio.sleep(0)
        while self._chunks:
            item = self._chunks.pop(0)
            if isinstance(item, AttemptFailed):
                raise item
            if isinstance(item, bytes):
                return item
            await self._transport.clock.sleep(item)
        return None

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        if not self._closed:
            self._closed = True
            self._transport.open_streams -= 1


def completion(input_tokens: int, output_tokens: int) -> bytes:
    """A chat answer in OpenAI's form."""
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}}],
            "usage": {"prompt_tokens": input_tokens, "completion_tokens": output_tokens},
        }
    ).encode()


def chunk(text: str) -> bytes:
    """One piece of a streamed chat answer."""
    return json.dumps({"choices": [{"index": 0, "delta": {"content": text}}], "usage": None}).encode()


def usage_chunk(input_tokens: int, output_tokens: int) -> bytes:
    """The closing piece that only tells usage."""
    usage = {"prompt_tokens": input_tokens, "completion_tokens": output_tokens}
    return json.dumps({"choices": [], "usage": usage}).encode()


def chat(
    text: str = "Is it so?",
    *,
    model: str = SCOUT,
    request_id: str = "r-1",
    endpoint: Literal["chat", "completions"] = "chat",
    user: str = "ann",
    **fields: Any,
) -> InferenceCall:
    """A call with one message; further fields go into the body."""
    prompt = {"messages": [{"role": "user", "content": text}]} if endpoint == "chat" else {"prompt": text}
    return InferenceCall(
        endpoint=endpoint, body={"model": model, **prompt, **fields}, user=user, request_id=request_id
    )


def config_for(
    backends: Mapping[str, Mapping[str, Any]] | None = None, **sections: Mapping[str, Any]
) -> GatewayConfig:
    """A configuration; each backend serves scout unless it says otherwise."""
    own = backends or {"main": {}}
    full = {
        name: {"base_url": "http://127.0.0.1:9/v1", "models": {SCOUT: "scout"}, **fields}
        for name, fields in own.items()
    }
    return GatewayConfig.model_validate({"backends": full, **sections})
