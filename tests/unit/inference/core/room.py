"""A dispatcher with everything around it in reach of a test."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from sophia_infra.inference.answers import Answer, StreamChunk
from sophia_infra.inference.catalogue import load_catalogue
from sophia_infra.inference.dispatch import Dispatcher
from sophia_infra.inference.request import InferenceCall
from sophia_infra.inference.upstream import AttemptFailed, Transport
from sophia_infra.inference.usage import UsageEntry
from tests.inference_clock import VirtualClock, run_async
from tests.unit.inference.core.fakes import (
    FakeTransport,
    MemoryLedger,
    Script,
    config_for,
)

__all__ = ["QWEN", "TWO", "Room", "Seen", "failed"]

CATALOGUE = load_catalogue()
QWEN = "qwen-3-32b"
TWO: dict[str, dict[str, Any]] = {"one": {}, "two": {}}


class Seen:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.attempts: list[tuple[str, str]] = []
        self.entries: list[UsageEntry] = []

    def on_settled(self, entry: UsageEntry) -> None:
        self.entries.append(entry)

    def on_attempt(self, backend: str, outcome: str) -> None:
        self.attempts.append((backend, outcome))

    def on_queue(self, backend: str, waiting: int) -> None:
        pass


class Room:
    """A dispatcher with everything around it in reach."""

    def __init__(
        self,
        backends: Mapping[str, Mapping[str, Any]] | None = None,
        ledger: MemoryLedger | None = None,
        transports: Mapping[str, Transport] | None = None,
        **sections: Mapping[str, Any],
    ) -> None:
        config = config_for(backends, **sections)
        self.clock = VirtualClock()
        self.ledger = ledger or MemoryLedger()
        self.seen = Seen()
        self.fakes = {name: FakeTransport(self.clock) for name in config.backends}
        self.dispatcher = Dispatcher(
            config,
            CATALOGUE,
            self.ledger,
            {**self.fakes, **(transports or {})},
            clock=self.clock,
            observer=self.seen,
            rng=random.Random(7),
        )

    def complete(self, call: InferenceCall) -> Answer:
        return run_async(self.dispatcher.complete(call))

    def stream(self, call: InferenceCall) -> tuple[list[bytes], Answer]:
        async def read() -> tuple[list[bytes], Answer]:
            events = [event async for event in self.dispatcher.stream(call)]
            last = events.pop()
            assert isinstance(last, Answer)
            return [event.data for event in events if isinstance(event, StreamChunk)], last

        return run_async(read())

    def only_entry(self) -> UsageEntry:
        assert not self.ledger.open
        assert not self.ledger.violations
        (entry,) = self.ledger.entries.values()
        return entry


def failed(kind: Any, **fields: Any) -> Script:
    return Script(failure=AttemptFailed(kind, **fields))
