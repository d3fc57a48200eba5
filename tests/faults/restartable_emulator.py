"""An emulator of its own that can be killed and started anew within a test."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

from sophia_infra.emulator import Cloud, CloudSettings
from sophia_infra.emulator.persistence import StateFile, StateKeeper
from sophia_infra.emulator.wire.app import create_app
from sophia_infra.http_server import SocketServer, listen_on, url_of
from sophia_infra.model.clock import VirtualClock

__all__ = ["RestartableEmulator"]


class RestartableEmulator:
    """An emulator with a state file.

    `restart` is what kill -9 and a new start do: all but the file is lost.
    """

    def __init__(self, folder: Path, clock: VirtualClock, **settings: Any) -> None:
        self.clock = clock
        self._settings = CloudSettings(**settings)
        self._path = folder / "cloud.json"
        self._port = 0
        self._start()

    def restart(self) -> None:
        self.close()
        self._start()

    def finish_requests(self) -> None:
        """Return once every request that has come is carried out, also those that nobody waits for."""

        async def finish() -> None:
            if tasks := list(self._server.server_state.tasks):
                await asyncio.wait(tasks)

        self._server.call(finish())

    def save(self) -> None:
        self._file.save(self.cloud.core)

    def close(self) -> None:
        with self.cloud.lock:
            self.cloud.faults.clear(go_on=False)
        self._server.stop()
        self._thread.join(10)
        self._socket.close()
        self._file.close()

    def _start(self) -> None:
        self.cloud = Cloud(self._settings, self.clock)
        self._file = StateFile(self._path)
        self._file.load(self.cloud.core)
        ready = threading.Event()
        app = create_app(self.cloud, StateKeeper(self._file, self.cloud.core))
        self._server = SocketServer(app, on_ready=ready.set, linger_s=0.0)
        self._socket = listen_on("127.0.0.1", self._port)
        self.url = url_of(self._socket)
        self._port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()
        assert ready.wait(10)
