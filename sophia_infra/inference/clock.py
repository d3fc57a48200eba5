"""Time as an argument, for code on an event loop: dates, durations and waits come from one `Clock`.

`sophia_infra.model.clock` is the same for threads; its sleep blocks, which an event loop must not.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

__all__ = ["Clock", "SystemClock"]


@runtime_checkable
class Clock(Protocol):
    """What time it is, how much has passed, and a way to let it pass."""

    def now(self) -> datetime:
        """The date, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; never runs backwards. For durations and deadlines."""
        ...

    async def sleep(self, duration_s: float) -> None:
        """Return once `duration_s` seconds have passed; gives way to other tasks even when it is 0."""
        ...

    def timeout(self, duration_s: float) -> AbstractAsyncContextManager[object]:
        """TimeoutError in the body after `duration_s` seconds, as `asyncio.timeout` does it."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, duration_s: float) -> None:
        await asyncio.sleep(max(0.0, duration_s))

    def timeout(self, duration_s: float) -> AbstractAsyncContextManager[object]:
        return asyncio.timeout(max(0.0, duration_s))
