"""An emulated Lambda Cloud in a thread, for tests."""

from __future__ import annotations

from types import TracebackType

from sophia_infra.emulator.cloud import Cloud
from sophia_infra.emulator.persistence import Keeper
from sophia_infra.emulator.settings import CloudSettings
from sophia_infra.emulator.wire.app import create_app
from sophia_infra.http_server import ThreadedServer

__all__ = ["EmulatorServer"]


class EmulatorServer:
    """An emulated Lambda Cloud on 127.0.0.1 and a port the system chooses.

        with EmulatorServer(CloudSettings(transitions="immediate")) as emulator:
            requests.get(emulator.url + "/api/v1/regions", headers={"Authorization": "Bearer any"})
            emulator.cloud.advance(300)

    Args:
        cloud: the account to serve, or settings for a new one with a virtual clock.
        keeper: who keeps the account beyond this process; nobody by default.
    """

    def __init__(self, cloud: Cloud | CloudSettings | None = None, *, keeper: Keeper | None = None) -> None:
        self.cloud = cloud if isinstance(cloud, Cloud) else Cloud(cloud)
        self._running = ThreadedServer(create_app(self.cloud, keeper), "lambda-emulator")
        self.url = ""

    def __enter__(self) -> EmulatorServer:
        self.url = self._running.__enter__().url
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self.cloud.lock:
            self.cloud.faults.clear(go_on=False)
        self._running.__exit__(kind, error, traceback)
