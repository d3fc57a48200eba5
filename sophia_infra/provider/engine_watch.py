"""End this provider process when its engine is gone: a plugin outlives an engine that was killed.

Without this, a launch that waits for its turn would be sent by a process that nobody listens to, beside the
next update that looks for the machine and does not find it yet. The engine's address is the plugin's first
argument; a killed engine refuses connections at once, a stopped one does not.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence

from sophia_infra.provider.errors import ProviderError

__all__ = ["EngineGone", "EngineWatch"]

_INTERVAL_S = 0.5
_CONNECT_TIMEOUT_S = 2.0


class EngineGone(ProviderError):
    """The engine that asked for this is gone. Nothing was sent."""

    fault = "ours"
    retry = True


class EngineWatch:
    """Looks whether the engine at `address` ("127.0.0.1:port") still accepts connections.

    Args:
        address: None when this process was not started by an engine; then everything is allowed.
        leave: called once when the engine is gone; the default ends the process without further steps.
    """

    def __init__(self, address: str | None, leave: Callable[[], None] | None = None) -> None:
        host, _, port = (address or "").rpartition(":")
        self._address = (host, int(port)) if host and port.isdigit() else None
        self._leave = leave or (lambda: os._exit(1))

    @classmethod
    def of_plugin(cls, arguments: Sequence[str] = tuple(sys.argv)) -> EngineWatch:
        """The watch for a plugin process: the engine passes its address as the last argument."""
        return cls(arguments[-1] if len(arguments) > 1 else None)

    def ensure_alive(self) -> None:
        """Return when the engine is there. Raises EngineGone when it is not."""
        if not self.is_alive():
            raise EngineGone(
                "The engine of this update is gone, so nothing more is launched.",
                next_step="run the same command again.",
            )

    def is_alive(self) -> bool:
        """Whether a connection is accepted; a full backlog or a slow answer counts as alive."""
        if self._address is None:
            return True
        try:
            with socket.create_connection(self._address, timeout=_CONNECT_TIMEOUT_S):
                return True
        except TimeoutError:
            return True
        except OSError:
            return False

    def start(self) -> None:
        """Watch in the background until the engine is gone, then leave."""
        if self._address is not None:
            threading.Thread(target=self._watch, name="engine-watch", daemon=True).start()

    def _watch(self) -> None:
        while self.is_alive():
            time.sleep(_INTERVAL_S)
        self._leave()
