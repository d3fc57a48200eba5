"""Drives the servicer as the engine does: by gRPC on loopback."""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio
from google.protobuf import struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from sophia_infra.kubernetes_plugin.servicer import KubernetesServicer
from sophia_infra.kubernetes_plugin.values import Path, write_properties
from tests.unit.kubernetes_plugin.scenes import Listener


class Driver:
    """An asynchronous context with a served provider. `stub` has the engine's calls."""

    def __init__(self) -> None:
        self.listener = Listener()
        self.servicer = KubernetesServicer("4.33.0", "127.0.0.1:1", self.listener)
        self._server = grpc.aio.server()
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(self.servicer, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self.stub: Any = provider_pb2_grpc.ResourceProviderStub(self._channel)

    async def __aenter__(self) -> Driver:
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.servicer.stop_waiting()
        await self._channel.close()
        await self._server.stop(grace=0)

    async def configure(self, **args: Any) -> Any:
        return await self.stub.Configure(provider_pb2.ConfigureRequest(args=struct(args)))


def struct(value: dict[str, Any], *secrets: Path) -> struct_pb2.Struct:
    return write_properties(value, secrets)


def urn(type_: str, name: str = "settings") -> str:
    return f"urn:pulumi:local::shop::parent$kubernetes:{type_}::{name}"


def failed_init(error: grpc.aio.AioRpcError) -> provider_pb2.ErrorResourceInitFailed:
    """What the engine records of an object that is not ready."""
    from pulumi.runtime.proto import status_pb2

    metadata = dict(error.trailing_metadata() or ())
    raw = metadata["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(raw if isinstance(raw, bytes) else raw.encode())
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    return detail
