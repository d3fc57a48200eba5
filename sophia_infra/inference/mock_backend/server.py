"""uvicorn around the mock: in a thread for tests, or as the whole process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, TypeVar

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import Server

from .app import MockApp, create_app
from .engine import Engine
from .exchange import TRANSPORT_EXTENSION
from .faults import Fault
from .settings import MockSettings
from .worklog import Work

__all__ = ["MockBackend", "MockServer", "listen_on"]

_BACKLOG = 4_096
"""A load test opens thousands of connections at once."""

_KEEP_ALIVE_S = 75
_START_TIMEOUT_S = 10.0
_T = TypeVar("_T")


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with the transport in the scope so that a fault can cut the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = {TRANSPORT_EXTENSION: self.transport}
        self.scope["extensions"] = extensions


class MockServer(Server):
    """Serves on a listening socket until `stop`, without signals of its own and without polling."""

    def __init__(self, app: MockApp, *, on_ready: Callable[[], None]) -> None:
        super().__init__(
            Config(
                app,
                http=_Protocol,
                ws="none",
                loop="uvloop",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                backlog=_BACKLOG,
            )
        )
        self._on_ready = on_ready
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None
        self._stop_asked = False

    def stop(self) -> None:
        """End `run` soon; from any thread, any number of times, also before it has begun."""
        self._stop_asked = True
        loop, stopped = self._loop, self._stopped
        if loop is not None and stopped is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended already
                loop.call_soon_threadsafe(stopped.set)

    def call(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine on the server's loop, from another thread."""
        if self._loop is None:
            raise RuntimeError("the mock backend does not run")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_START_TIMEOUT_S)

    async def main_loop(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self._on_ready()
        if not self._stop_asked:
            await self._stopped.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        """Drop everything at once: nobody waits for a mock."""
        for server in self.servers:
            server.close()
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def listen_on(host: str, port: int) -> socket.socket:
    """A listening TCP socket; `port` 0 lets the system choose."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


class MockBackend:
    """A backend in a thread, on 127.0.0.1 and a port that the system chooses.

    with MockBackend(MockSettings(models=("a",))) as mock:
        mock.add_fault(Fault("rate_limited"))
        httpx2.post(mock.base_url + "/chat/completions", json={...})
        assert [work.outcome for work in mock.work()] == ["answered"]
    """

    def __init__(self, settings: MockSettings | None = None) -> None:
        self._settings = settings
        self._app: MockApp | None = None
        self._server: MockServer | None = None
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None
        self.url = ""

    @property
    def base_url(self) -> str:
        """What a configuration has as `base_url`."""
        return f"{self.url}/v1"

    @property
    def engine(self) -> Engine:
        """Its state. Read single numbers only: it belongs to the server's thread."""
        if self._app is None:
            raise RuntimeError("the mock backend does not run")
        return self._app.engine

    def add_fault(self, fault: Fault) -> None:
        self._on_loop(lambda engine: engine.faults.add(fault))

    def get_cold(self, seconds: float) -> None:
        self._on_loop(lambda engine: engine.get_cold(seconds))

    def wait_until_idle(self) -> None:
        """Return once nothing is worked."""
        if self._server is None:
            raise RuntimeError("the mock backend does not run")
        self._server.call(self.engine.wait_until_idle())

    def work(self) -> list[Work]:
        """All entries of the work log, oldest first."""
        return self._on_loop(lambda engine: engine.log.since(0, engine.settings.log_entries))

    def _on_loop(self, do: Callable[[Engine], _T]) -> _T:
        async def run() -> _T:
            return do(self.engine)

        if self._server is None:
            raise RuntimeError("the mock backend does not run")
        return self._server.call(run())

    def __enter__(self) -> MockBackend:
        ready = threading.Event()
        self._app = create_app(self._settings)
        self._server = MockServer(self._app, on_ready=ready.set)
        self._socket = listen_on("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="mock-backend", daemon=True
        )
        self._thread.start()
        if not ready.wait(_START_TIMEOUT_S):
            raise RuntimeError(f"the mock backend did not start within {_START_TIMEOUT_S} s")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.stop()
        if self._thread is not None:
            self._thread.join(_START_TIMEOUT_S)
        if self._socket is not None:
            self._socket.close()
