"""`python -m sophia_infra.kubernetes_plugin ENGINE_ADDRESS`: the provider process, started by the engine."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

import grpc.aio
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2_grpc

from sophia_infra.kubernetes_plugin import PLUGIN_VERSION
from sophia_infra.kubernetes_plugin.reporting import EngineReporter
from sophia_infra.kubernetes_plugin.servicer import KubernetesServicer


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve on a port of the system's choice, which is the one line on stdout, until the engine ends us."""
    parser = argparse.ArgumentParser(prog="pulumi-resource-kubernetes", description="Kubernetes stand-in")
    parser.add_argument("engine", help="address of the engine")
    known, _ = parser.parse_known_args(arguments)
    asyncio.run(_serve(known.engine))


async def _serve(engine_address: str) -> None:
    server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS)
    servicer = KubernetesServicer(PLUGIN_VERSION, engine_address, EngineReporter(engine_address))
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


if __name__ == "__main__":
    main()
