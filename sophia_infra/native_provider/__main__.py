"""`python -m sophia_infra.native_provider ENGINE_ADDRESS`: the provider process, started by the engine."""

from __future__ import annotations

from sophia_infra.model.resource_tokens import PLUGIN_VERSION
from sophia_infra.native_provider.servicer import LambdaServicer
from sophia_infra.plugin_protocol.reporting import EngineReporter
from sophia_infra.plugin_protocol.serving import serve_plugin

if __name__ == "__main__":
    serve_plugin(
        "pulumi-resource-lambda",
        lambda engine: LambdaServicer(PLUGIN_VERSION, engine, EngineReporter(engine).tell),
    )
