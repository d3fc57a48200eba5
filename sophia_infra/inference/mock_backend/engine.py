"""One pretended GPU: it loads a model, works so many requests at once, and takes its time for each token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sophia_infra.inference.clock import Clock

from .answers import Call, answer_words
from .faults import Faults
from .settings import MockSettings
from .worklog import Work, WorkLog, WorkOutcome

__all__ = ["Engine", "Loading", "Worked"]


class Loading(Exception):
    """The model is not loaded yet, and this backend refuses requests meanwhile."""

    def __init__(self, left_s: float) -> None:
        super().__init__("the model is still loading")
        self.left_s = left_s


@dataclass(slots=True)
class Worked:
    """What one request has used so far."""

    output_tokens: int = 0
    outcome: WorkOutcome = "answered"


class Engine:
    """State of one mock backend. Belongs to one event loop."""

    def __init__(self, settings: MockSettings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.log = WorkLog(settings.log_entries)
        self.faults = Faults(
            settings.fault_rates, seed=settings.seed, retry_after_s=settings.fault_retry_after_s
        )
        self.running = 0
        self.waiting = 0
        self.taken = 0
        self.refused_while_loading = 0
        self.tokens_held = 0
        self._slots = asyncio.Semaphore(settings.running)
        self.held = 0
        self._release = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_warm = settings.warm_up_s == 0
        self._ready_at_s = clock.monotonic() + settings.cold_start_s / settings.speed

    def get_cold(self, seconds: float) -> None:
        """Lose the model and load it again for so many virtual seconds."""
        self._ready_at_s = self.clock.monotonic() + seconds / self.settings.speed
        self._is_warm = self.settings.warm_up_s == 0

    @property
    def loading_s(self) -> float:
        """Virtual seconds until the model is loaded; 0 when it is."""
        return max(0.0, self._ready_at_s - self.clock.monotonic()) * self.settings.speed

    def answers(self, call: Call) -> list[tuple[list[str], str]]:
        """The words of each choice and why it ended."""
        settings = self.settings
        return [
            answer_words(call, choice, seed=settings.seed, usual_tokens=settings.answer_tokens)
            for choice in range(call.choices)
        ]

    async def wait_until_loaded(self) -> None:
        """Raises Loading when this backend refuses meanwhile."""
        while left_s := self.loading_s:
            if self.settings.while_loading == "refuse":
                self.refused_while_loading += 1
                raise Loading(left_s)
            await self.sleep(left_s)

    @asynccontextmanager
    async def work(self, call: Call, request_id: str) -> AsyncIterator[Worked]:
        """A place among the running requests; whatever happens inside is written to the log once."""
        self.waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self.waiting -= 1
        self.running += 1
        self._idle.clear()
        self.tokens_held += call.input_tokens
        worked = Worked()
        try:
            yield worked
        except asyncio.CancelledError:
            worked.outcome = "client_gone"
            raise
        finally:
            self._slots.release()
            self.running -= 1
            if self.running == 0:
                self._idle.set()
            self.tokens_held -= call.input_tokens
            self.log.add(
                Work(
                    self.log.count + 1,
                    request_id,
                    call.prompt[:48],
                    call.model,
                    call.stream,
                    call.input_tokens,
                    worked.output_tokens,
                    worked.outcome,
                )
            )

    async def first_token(self, extra_s: float, pause: Callable[[float], Awaitable[bool]]) -> bool:
        """Wait as long as the first token takes. False when the client went away."""
        settings = self.settings
        wait_s = settings.first_token_s + extra_s
        if not self._is_warm:
            self._is_warm = True
            wait_s += settings.warm_up_s
        return await pause(wait_s) if wait_s else True

    async def hold(self) -> None:
        """Return at the next `release`."""
        self.held += 1
        try:
            await self._release.wait()
        finally:
            self.held -= 1

    def release(self) -> int:
        """Let go on all that is held now; says how many."""
        self._release.set()
        self._release = asyncio.Event()
        return self.held

    async def wait_until_idle(self) -> None:
        """Return once nothing runs."""
        await self._idle.wait()

    async def sleep(self, virtual_s: float) -> None:
        await self.clock.sleep(virtual_s / self.settings.speed)

    def gauges(self) -> dict[str, float]:
        """vLLM's names; both names of the cache gauge, because it was renamed."""
        used = min(1.0, self.tokens_held / self.settings.cache_tokens)
        return {
            "num_requests_running": self.running,
            "num_requests_waiting": self.waiting,
            "kv_cache_usage_perc": used,
            "gpu_cache_usage_perc": used,
        }

    def counters(self) -> dict[str, float]:
        return {
            "prompt_tokens_total": self.log.input_tokens,
            "generation_tokens_total": self.log.output_tokens,
            "request_success_total": self.log.count,
        }
