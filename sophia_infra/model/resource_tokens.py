"""The types of our resources as the engine, states and policies spell them: one per kind and provider.

A state may hold both spellings: the engine renames what the program registers, and only then.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

from sophia_infra.model.errors import Refused

__all__ = [
    "KINDS",
    "PLUGIN_VERSION",
    "PROVIDER_VARIABLE",
    "KindName",
    "ProviderName",
    "chosen_provider",
    "kind_of",
    "resource_token",
]

KindName: TypeAlias = Literal[
    "Instance",
    "SshKey",
    "Filesystem",
    "FirewallRuleset",
    "FleetReady",
    "InferenceEndpoint",
    "OneClickCluster",
    "ClusterCredentials",
    "ClusterReady",
]
ProviderName: TypeAlias = Literal["dynamic", "native"]
"""dynamic: Pulumi's own process for Python providers. native: our plugin, `native_provider`."""

KINDS: Final[tuple[KindName, ...]] = get_args(KindName)
PROVIDER_VARIABLE: Final = "SOPHIA_PROVIDER"
"""Environment variable with the name of the provider that a program registers its resources with."""
PLUGIN_VERSION: Final = "1.0.0"
"""Of the native plugin: the engine looks it up by this, and states keep it."""

_PREFIXES: Final[Mapping[ProviderName, str]] = {
    "dynamic": "pulumi-python:dynamic/lambda:",
    "native": "lambda:index:",
}
_KIND_OF: Final[Mapping[str, KindName]] = {
    f"{prefix}{kind}": kind for prefix in _PREFIXES.values() for kind in KINDS
}


def chosen_provider(environment: Mapping[str, str] = os.environ) -> ProviderName:
    """The provider that `SOPHIA_PROVIDER` names; dynamic when it is not set.

    Raises:
        Refused: it names another one.
    """
    chosen = environment.get(PROVIDER_VARIABLE, "").strip()
    match chosen:
        case "" | "dynamic":
            return "dynamic"
        case "native":
            return "native"
        case _:
            raise Refused(f"{PROVIDER_VARIABLE} is {chosen!r}", allowed="dynamic, native")


def resource_token(kind: KindName, provider: ProviderName) -> str:
    """How `provider` spells the type, such as `lambda:index:Instance`."""
    return f"{_PREFIXES[provider]}{kind}"


def kind_of(token: str | None) -> KindName | None:
    """The kind of ours that the type `token` is, in either spelling; None when it is none of ours."""
    return _KIND_OF.get(token or "")
