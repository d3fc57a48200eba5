"""Our own plugin for Lambda Cloud: the kinds of `provider`, served to the engine over gRPC.

The same kinds run behind `pulumi.dynamic` (`provider.dynamic`); docs/provider.md says what differs.

    servicer        the engine's calls, one by one
    translating     the engine's properties to the kinds' and back, with secrets and unknowns
    configuring     what the plugin knows of the stack's configuration
"""
