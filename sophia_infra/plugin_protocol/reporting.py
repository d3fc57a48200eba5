"""Lines for the user through the engine, from many threads."""

from __future__ import annotations

import threading

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc


class EngineReporter:
    """Sends log lines to the engine at `address`. One that cannot be sent is lost: nothing fails for it."""

    def __init__(self, address: str) -> None:
        self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))
        self._lock = threading.Lock()
        self._said: set[tuple[str, str]] = set()

    def warn(self, urn: str, message: str) -> None:
        with self._lock:
            if (urn, message) in self._said:
                return
            self._said.add((urn, message))
        self._log(engine_pb2.WARNING, urn, message, ephemeral=False)

    def tell(self, urn: str, message: str) -> None:
        """A line that stays, without alarm."""
        self._log(engine_pb2.INFO, urn, message, ephemeral=False)

    def status(self, urn: str, message: str) -> None:
        self._log(engine_pb2.INFO, urn, message, ephemeral=True)

    def _log(
        self, severity: engine_pb2.LogSeverity.ValueType, urn: str, message: str, *, ephemeral: bool
    ) -> None:
        request = engine_pb2.LogRequest(severity=severity, urn=urn, message=message, ephemeral=ephemeral)
        try:
            self._engine.Log(request, timeout=5.0)
        except grpc.RpcError:
            return
