"""Drives the servicer as the engine does: by gRPC on loopback."""

from __future__ import annotations

from sophia_infra.kubernetes_plugin.servicer import KubernetesServicer
from tests.unit.kubernetes_plugin.scenes import Listener
from tests.unit.plugin_protocol.served import Served, failed_init, struct

__all__ = ["Driver", "failed_init", "struct", "urn"]


class Driver(Served[KubernetesServicer]):
    """An asynchronous context with a served provider."""

    def __init__(self) -> None:
        self.listener = Listener()
        super().__init__(KubernetesServicer("4.33.0", "127.0.0.1:1", self.listener))


def urn(type_: str, name: str = "settings") -> str:
    return f"urn:pulumi:local::shop::parent$kubernetes:{type_}::{name}"
