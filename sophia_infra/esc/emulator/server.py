"""The emulator in a thread, for tests: a real socket on 127.0.0.1 and a port that the system chooses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from sophia_infra.emulator.server import LoopbackServer, listen_on
from sophia_infra.esc.emulator.state import Store
from sophia_infra.esc.emulator.wire import create_app
from sophia_infra.esc.secret_text import SecretText

__all__ = ["EscEmulatorServer"]

_START_TIMEOUT_S = 10.0


class EscEmulatorServer:
    """Serves `store` while the `with` block lasts. `url` is scheme, host and port."""

    def __init__(self, store: Store, token: SecretText, save: Callable[[], None] = lambda: None) -> None:
        self.store = store
        self.url = ""
        self._ready = threading.Event()
        self._server = LoopbackServer(create_app(store, token, save), on_ready=self._ready.set)

    def __enter__(self) -> EscEmulatorServer:
        self._socket = listen_on("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()
        if not self._ready.wait(_START_TIMEOUT_S):
            raise RuntimeError(f"the ESC emulator did not start within {_START_TIMEOUT_S} s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop()
        self._thread.join(_START_TIMEOUT_S)
        self._socket.close()
