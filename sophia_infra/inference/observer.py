"""Who wants to know what happens to calls: metrics and logs."""

from __future__ import annotations

from typing import Protocol

from sophia_infra.inference.usage import UsageEntry

__all__ = ["NoObserver", "Observer"]


class Observer(Protocol):
    """Told by the dispatcher, on the event loop: each method returns at once and raises nothing."""

    def on_settled(self, entry: UsageEntry) -> None:
        """An entry was written down for the first time."""
        ...

    def on_attempt(self, backend: str, outcome: str) -> None:
        """A try at `backend` ended: `ok`, `cancelled`, or a `FailureKind`."""
        ...

    def on_queue(self, backend: str, waiting: int) -> None:
        """So many calls wait for `backend` now."""
        ...


class NoObserver:
    """Nobody."""

    def on_settled(self, entry: UsageEntry) -> None:
        """Let it pass."""

    def on_attempt(self, backend: str, outcome: str) -> None:
        """Let it pass."""

    def on_queue(self, backend: str, waiting: int) -> None:
        """Let it pass."""
