"""The adapter between `pulumi.dynamic` and the engine-free kinds.

The provider classes below are pickled by reference into the state of every resource: their module path
and names are part of the state format and never change. They hold nothing. What they need comes from
`configure`, and one session serves all kinds of one process (facts/pulumi-engine.md C).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)
from pulumi.runtime import rpc

from sophia_infra.provider.outcome import UNKNOWN, Kind, Props

if TYPE_CHECKING:
    from sophia_infra.provider.serving import KindName

__all__ = [
    "ClusterCredentialsProvider",
    "ClusterReadyProvider",
    "FilesystemProvider",
    "FirewallRulesetProvider",
    "FleetReadyProvider",
    "InferenceEndpointProvider",
    "InstanceProvider",
    "OneClickClusterProvider",
    "SshKeyProvider",
]

_PROVIDER_KEY = "__provider"


class _Provider(ResourceProvider):
    serialize_as_secret_always = False
    kind_name: ClassVar[KindName]
    _kind: Kind

    def configure(self, req: ConfigureRequest) -> None:
        # The program only names these classes; client and kinds (0.15 s) are for the provider process.
        from sophia_infra.provider.serving import serve_kind

        self._kind = serve_kind(self.kind_name, req.config.get)

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        checked = self._kind.check(_known(_olds), _known(news))
        failures = [CheckFailure(name, reason) for name, reason in checked.failures]
        return CheckResult(_wire(checked.inputs), failures)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        diff = self._kind.diff(_id, _known(_olds), _known(_news))
        return DiffResult(
            changes=bool(diff.changes),
            replaces=list(diff.replaces),
            delete_before_replace=diff.delete_before_replace or None,
        )

    def create(self, props: dict[str, Any]) -> CreateResult:
        created = self._kind.create(_known(props))
        return CreateResult(created.id, created.outputs)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        found = self._kind.read(id_, _known(props))
        if found.id is None:
            return ReadResult("", {})
        return ReadResult(found.id, found.outputs, found.inputs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(self._kind.update(_id, _known(_olds), _known(_news)))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        self._kind.delete(_id, _known(_props))


class InstanceProvider(_Provider):
    kind_name = "Instance"


class SshKeyProvider(_Provider):
    kind_name = "SshKey"


class FilesystemProvider(_Provider):
    kind_name = "Filesystem"


class FirewallRulesetProvider(_Provider):
    kind_name = "FirewallRuleset"


class FleetReadyProvider(_Provider):
    kind_name = "FleetReady"


class InferenceEndpointProvider(_Provider):
    kind_name = "InferenceEndpoint"


class OneClickClusterProvider(_Provider):
    kind_name = "OneClickCluster"


class ClusterCredentialsProvider(_Provider):
    kind_name = "ClusterCredentials"


class ClusterReadyProvider(_Provider):
    kind_name = "ClusterReady"


def _known(props: Mapping[str, Any]) -> Props:
    """The properties without the pickled provider; the engine's marker of unknowns as UNKNOWN."""
    return {name: _from_wire(value) for name, value in props.items() if name != _PROVIDER_KEY}


def _from_wire(value: Any) -> Any:
    if value == rpc.UNKNOWN:
        return UNKNOWN
    if isinstance(value, Mapping):
        return {name: _from_wire(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_from_wire(item) for item in value]
    return value


def _wire(value: Any) -> Any:
    if value is UNKNOWN:
        return rpc.UNKNOWN
    if isinstance(value, Mapping):
        return {name: _wire(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_wire(item) for item in value]
    return value
