"""`python -m sophia_infra.kubernetes_plugin ENGINE_ADDRESS`: the provider process, started by the engine."""

from __future__ import annotations

from sophia_infra.kubernetes_plugin import PLUGIN_VERSION
from sophia_infra.kubernetes_plugin.servicer import KubernetesServicer
from sophia_infra.plugin_protocol.reporting import EngineReporter
from sophia_infra.plugin_protocol.serving import serve_plugin

if __name__ == "__main__":
    serve_plugin(
        "pulumi-resource-kubernetes",
        lambda engine: KubernetesServicer(PLUGIN_VERSION, engine, EngineReporter(engine)),
    )
