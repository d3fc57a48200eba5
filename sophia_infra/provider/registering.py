"""How a resource is registered: for Pulumi's process for Python providers, or for our plugin.

One program, one of both: `SOPHIA_PROVIDER` says which (`model.resource_tokens`). Each resource names the
type that the other one would give it as an alias, so that a stack moves between them without a replacement.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import pulumi
from pulumi.runtime.settings import get_root_resource

from sophia_infra.model.resource_tokens import PLUGIN_VERSION, KindName, chosen_provider, resource_token
from sophia_infra.provider.properties import OUTPUTS, SECRET_INPUTS, SECRET_OUTPUTS

__all__ = ["LambdaResource"]

_PACKAGE: Final = "lambda"
_PROVIDER_KEY: Final = "__provider"


class LambdaResource(pulumi.CustomResource):
    """Base of the resources of Lambda Cloud.

    Raises:
        Refused: `SOPHIA_PROVIDER` names no provider.
    """

    kind: ClassVar[KindName]

    def __init__(
        self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        provider = chosen_provider()
        # The SDK shows only properties that it was given: an empty place for each output.
        given: dict[str, Any] = {**dict.fromkeys(OUTPUTS[self.kind]), **props}
        for secret in SECRET_INPUTS.get(self.kind, ()):
            if given.get(secret) is not None:
                given[secret] = pulumi.Output.secret(given[secret])
        ours = pulumi.ResourceOptions(
            aliases=[
                pulumi.Alias(
                    type_=resource_token(self.kind, "native" if provider == "dynamic" else "dynamic")
                )
            ],
            # The dynamic provider cannot mark what it makes: it would lie in the state as plain text.
            additional_secret_outputs=list(SECRET_OUTPUTS.get(self.kind, ())),
        )
        if provider == "dynamic":
            given[_PROVIDER_KEY] = _pickled_provider(self.kind)
        else:
            ours.provider = _plugin()
        super().__init__(
            resource_token(self.kind, provider), name, given, pulumi.ResourceOptions.merge(opts, ours)
        )


def _pickled_provider(kind: KindName) -> str:
    # Of no use to the plugin, and pickling is slow to import.
    from pulumi.dynamic.dynamic import serialize_provider

    from sophia_infra.provider import dynamic

    return str(serialize_provider(getattr(dynamic, f"{kind}Provider")()))


class _Plugin(pulumi.ProviderResource):
    """Our plugin, with what it has to know of the stack's configuration and nothing more of it."""

    def __init__(self) -> None:
        config = pulumi.Config("sophia")
        key = config.get_secret("lambda_api_key")
        super().__init__(
            _PACKAGE,
            _PACKAGE,
            {"endpoint": config.get("endpoint"), **({} if key is None else {"lambda_api_key": key})},
            pulumi.ResourceOptions(version=PLUGIN_VERSION),
        )


_made: tuple[pulumi.Resource | None, _Plugin] | None = None


def _plugin() -> _Plugin:
    """The one provider of the program that runs."""
    global _made
    root = get_root_resource()
    if _made is None or _made[0] is not root:
        _made = (root, _Plugin())
    return _made[1]
