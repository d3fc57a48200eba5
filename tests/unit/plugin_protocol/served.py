"""Drives a servicer as the engine does: by gRPC on loopback."""

from __future__ import annotations

from typing import Any, Generic, Self, TypeVar

import grpc
import grpc.aio
from google.protobuf import struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from sophia_infra.plugin_protocol.servicer import PluginServicer
from sophia_infra.plugin_protocol.values import Path, write_properties

__all__ = ["Served", "failed_init", "struct"]

S = TypeVar("S", bound=PluginServicer)


class Served(Generic[S]):
    """An asynchronous context with a served provider. `stub` has the engine's calls."""

    def __init__(self, servicer: S) -> None:
        self.servicer = servicer
        self._server = grpc.aio.server()
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(self.servicer, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self.stub: Any = provider_pb2_grpc.ResourceProviderStub(self._channel)

    async def __aenter__(self) -> Self:
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


def failed_init(error: grpc.aio.AioRpcError) -> provider_pb2.ErrorResourceInitFailed:
    """What the engine records of a resource that exists although its call failed."""
    metadata = dict(error.trailing_metadata() or ())
    raw = metadata["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(raw if isinstance(raw, bytes) else raw.encode())
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    return detail
