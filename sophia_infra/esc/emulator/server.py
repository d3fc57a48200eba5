"""The emulator in a thread, for tests: a real socket on 127.0.0.1 and a port that the system chooses."""

from __future__ import annotations

from collections.abc import Callable

from sophia_infra.esc.emulator.state import Store
from sophia_infra.esc.emulator.wire import create_app
from sophia_infra.esc.secret_text import SecretText
from sophia_infra.http_server import ThreadedServer

__all__ = ["EscEmulatorServer"]


class EscEmulatorServer(ThreadedServer):
    """Serves `store` while the `with` block lasts. `url` is scheme, host and port."""

    def __init__(self, store: Store, token: SecretText, save: Callable[[], None] = lambda: None) -> None:
        super().__init__(create_app(store, token, save), "esc-emulator")
        self.store = store
