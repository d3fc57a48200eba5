"""The provider process: a port on stdout, then calls until the engine ends it."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Sequence

import grpc.aio
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2_grpc

from sophia_infra.plugin_protocol.servicer import PluginServicer

__all__ = ["serve_plugin"]


def serve_plugin(
    name: str, make_servicer: Callable[[str], PluginServicer], arguments: Sequence[str] | None = None
) -> None:
    """Serve on a port of the system's choice, which is the one line on stdout, until the engine ends us.

    Args:
        name: of the executable, for its help.
        make_servicer: gets the engine's address.
        arguments: of the command line; those of this process when None.
    """
    parser = argparse.ArgumentParser(prog=name, description="A provider of Pulumi resources.")
    parser.add_argument("engine", help="address of the engine")
    known, _ = parser.parse_known_args(arguments)
    asyncio.run(_serve(make_servicer(known.engine)))


async def _serve(servicer: PluginServicer) -> None:
    server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await ended.wait()
    servicer.stop_waiting()
    await server.stop(grace=0)
