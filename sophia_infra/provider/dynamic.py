"""The adapter between `pulumi.dynamic` and the engine-free kinds.

The provider classes below are pickled by reference into the state of every resource: their module path
and names are part of the state format and never change. They hold nothing. What they need comes from
`configure`, and one session serves all kinds of one process (facts/pulumi-engine.md C).
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

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

from sophia_infra.lambda_cloud import install_redaction
from sophia_infra.provider.engine_watch import EngineWatch
from sophia_infra.provider.filesystem import FilesystemKind
from sophia_infra.provider.firewall_ruleset import FirewallRulesetKind
from sophia_infra.provider.fleet_ready import FleetReadyKind
from sophia_infra.provider.inference_endpoint import InferenceEndpointKind
from sophia_infra.provider.instance import InstanceKind
from sophia_infra.provider.opening import open_session
from sophia_infra.provider.outcome import UNKNOWN, Kind, Props
from sophia_infra.provider.session import Session
from sophia_infra.provider.ssh_key import SshKeyKind

__all__ = [
    "FilesystemProvider",
    "FirewallRulesetProvider",
    "FleetReadyProvider",
    "InferenceEndpointProvider",
    "InstanceProvider",
    "SshKeyProvider",
]

_PROVIDER_KEY = "__provider"
_session_lock = threading.Lock()
_session: Session | None = None


def _shared_session(request: ConfigureRequest) -> Session:
    global _session
    with _session_lock:
        if _session is None:
            install_redaction()
            # A raised error reaches the user as the call's message; grpc would print its traceback too.
            logging.getLogger("grpc._server").addHandler(logging.NullHandler())
            logging.getLogger("grpc._server").propagate = False
            watch = EngineWatch.of_plugin()
            watch.start()
            _session = open_session(request.config.get, say=_say, ensure_wanted=watch.ensure_alive)
        return _session


def _say(line: str) -> None:
    print(line, flush=True)


class _Provider(ResourceProvider, ABC):
    serialize_as_secret_always = False
    _kind: Kind

    def configure(self, req: ConfigureRequest) -> None:
        self._kind = self._make_kind(_shared_session(req))

    @abstractmethod
    def _make_kind(self, session: Session) -> Kind: ...

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
    def _make_kind(self, session: Session) -> Kind:
        return InstanceKind(session)


class SshKeyProvider(_Provider):
    def _make_kind(self, session: Session) -> Kind:
        return SshKeyKind(session)


class FilesystemProvider(_Provider):
    def _make_kind(self, session: Session) -> Kind:
        return FilesystemKind(session)


class FirewallRulesetProvider(_Provider):
    def _make_kind(self, session: Session) -> Kind:
        return FirewallRulesetKind(session)


class FleetReadyProvider(_Provider):
    def _make_kind(self, session: Session) -> Kind:
        return FleetReadyKind(session)


class InferenceEndpointProvider(_Provider):
    def _make_kind(self, session: Session) -> Kind:
        return InferenceEndpointKind(session)


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
