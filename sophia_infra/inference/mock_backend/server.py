"""The mock in a thread, for tests and benches."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from sophia_infra.http_server import ThreadedServer

from .app import create_app
from .engine import Engine
from .faults import Fault
from .settings import MockSettings
from .worklog import Work

__all__ = ["BACKLOG", "MockBackend"]

BACKLOG = 4_096
"""A load test opens thousands of connections at once."""

_T = TypeVar("_T")


class MockBackend:
    """A backend in a thread, on 127.0.0.1 and a port that the system chooses.

    with MockBackend(MockSettings(models=("a",))) as mock:
        mock.add_fault(Fault("rate_limited"))
        httpx2.post(mock.base_url + "/chat/completions", json={...})
        assert [work.outcome for work in mock.work()] == ["answered"]
    """

    def __init__(self, settings: MockSettings | None = None) -> None:
        self._app = create_app(settings)
        self._running = ThreadedServer(self._app, "mock-backend", backlog=BACKLOG, linger_s=0.0)
        self.url = ""

    @property
    def base_url(self) -> str:
        """What a configuration has as `base_url`."""
        return f"{self.url}/v1"

    @property
    def engine(self) -> Engine:
        """Its state. Read single numbers only: it belongs to the server's thread."""
        return self._app.engine

    def add_fault(self, fault: Fault) -> None:
        self._on_loop(lambda engine: engine.faults.add(fault))

    def get_cold(self, seconds: float) -> None:
        self._on_loop(lambda engine: engine.get_cold(seconds))

    def wait_until_idle(self) -> None:
        """Return once nothing is worked."""
        self._running.server.call(self.engine.wait_until_idle())

    def work(self) -> list[Work]:
        """All entries of the work log, oldest first."""
        return self._on_loop(lambda engine: engine.log.since(0, engine.settings.log_entries))

    def _on_loop(self, do: Callable[[Engine], _T]) -> _T:
        async def run() -> _T:
            return do(self.engine)

        return self._running.server.call(run())

    def __enter__(self) -> MockBackend:
        self.url = self._running.__enter__().url
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._running.__exit__(kind, error, traceback)
