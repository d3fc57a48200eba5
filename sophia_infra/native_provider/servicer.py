"""The engine's calls, carried out by the kinds of `provider`. Every call has a thread of its own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from google.protobuf import empty_pb2
from pulumi.runtime import proto

from sophia_infra.lambda_cloud import LambdaCloudError
from sophia_infra.model.resource_tokens import KindName, kind_of
from sophia_infra.native_provider.configuring import compare_configuration, reader_of, why_refused
from sophia_infra.native_provider.translating import detailed, given, planned, recorded
from sophia_infra.plugin_protocol.answers import Failure, Unfinished, differences, own_mistake, struct_of
from sophia_infra.plugin_protocol.servicer import PluginServicer, guarded
from sophia_infra.plugin_protocol.values import Properties, read_properties
from sophia_infra.provider.errors import ProviderError
from sophia_infra.provider.importing import import_resource
from sophia_infra.provider.outcome import Created, Found, Kind, PartlyCreated
from sophia_infra.provider.serving import make_kinds, open_serving_session
from sophia_infra.provider.session import Session
from sophia_infra.provider.tags import Owner

__all__ = ["LambdaServicer", "OpenSession"]

T = TypeVar("T")
Say = Callable[[str, str], None]
"""Shows a line (the second) about a resource (its URN, the first) to the user."""
OpenSession = Callable[..., Session]
"""As `open_serving_session`."""

_PICKLED_PROVIDER = "__provider"
_urn: ContextVar[str] = ContextVar("urn", default="")


class Unserved(Exception):
    """The engine asked for something that this plugin does not have."""


class CreatedInPart(Exception):
    """A create failed when the resource was there already."""

    def __init__(self, partly: PartlyCreated, outputs: Properties) -> None:
        super().__init__(str(partly))
        self.unfinished = Unfinished(partly.created.id, outputs, [str(partly)])


class LambdaServicer(PluginServicer):
    """One provider resource. What the engine's Cancel stops: waits, and launches that were not sent yet.

    Args:
        open_session: tests pass their own.
    """

    def __init__(
        self,
        version: str,
        engine_address: str,
        say: Say,
        open_session: OpenSession = open_serving_session,
    ) -> None:
        super().__init__(version, engine_address)
        self._say = say
        self._open_session = open_session
        self._session: Session | None = None
        self._kinds: dict[KindName, Kind] = {}

    def failure_of(self, error: Exception) -> Failure:
        if isinstance(error, CreatedInPart):
            return Failure(str(error), unfinished=error.unfinished)
        if isinstance(error, Unserved):
            return Failure(str(error), "UNIMPLEMENTED")
        if isinstance(error, ProviderError | LambdaCloudError):
            return Failure(str(error))
        return own_mistake(error, "The Lambda Cloud provider")

    def lacks(self, what: str) -> Unserved:
        return Unserved(f"The Lambda Cloud provider does not have {what}.")

    @guarded
    async def CheckConfig(self, message: Any, _context: Any) -> Any:
        refused = why_refused(read_properties(message.news).value)
        failures = [proto.CheckFailure(property=refused[0], reason=refused[1])] if refused else []
        return proto.CheckResponse(inputs=message.news, failures=failures)

    @guarded
    async def DiffConfig(self, message: Any, _context: Any) -> Any:
        old = message.old_inputs if message.old_inputs.fields else message.olds
        return differences(
            compare_configuration(read_properties(old).value, read_properties(message.news).value)
        )

    @guarded
    async def Configure(self, message: Any, _context: Any) -> Any:
        get = reader_of(read_properties(message.args).value)
        open_session = functools.partial(
            self._open_session, get, say=self._tell, cancelled=self.cancelled.is_set
        )
        self._session = await self.in_thread(open_session)
        self._kinds = make_kinds(self._session)
        return proto.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    @guarded
    async def Check(self, message: Any, _context: Any) -> Any:
        old, new = given(message.olds), given(message.news)
        checked = await self._run(message, lambda kind: kind.check(old.value, new.value))
        failures = [proto.CheckFailure(property=name, reason=reason) for name, reason in checked.failures]
        return proto.CheckResponse(
            inputs=struct_of(Properties(checked.inputs, new.secrets)), failures=failures
        )

    @guarded
    async def Diff(self, message: Any, _context: Any) -> Any:
        old, new = given(message.olds).value, given(message.news).value
        diff = await self._run(message, lambda kind: kind.diff(message.id, old, new))
        return differences(detailed(diff, old, new, was_dynamic=_PICKLED_PROVIDER in message.olds.fields))

    @guarded
    async def Create(self, message: Any, _context: Any) -> Any:
        name, new = self._kind_name(message), given(message.properties)
        if message.preview:
            return proto.CreateResponse(properties=struct_of(planned(name, new)))

        def create(kind: Kind) -> Created:
            try:
                return kind.create(new.value)
            except PartlyCreated as partly:
                raise CreatedInPart(partly, recorded(name, partly.created.outputs, new)) from partly

        created = await self._run(message, create)
        return proto.CreateResponse(id=created.id, properties=struct_of(recorded(name, created.outputs, new)))

    @guarded
    async def Update(self, message: Any, _context: Any) -> Any:
        name, old, new = self._kind_name(message), given(message.olds).value, given(message.news)
        if message.preview:
            return proto.UpdateResponse(properties=struct_of(planned(name, new, old)))
        outputs = await self._run(message, lambda kind: kind.update(message.id, old, new.value))
        return proto.UpdateResponse(properties=struct_of(recorded(name, outputs, new)))

    @guarded
    async def Read(self, message: Any, _context: Any) -> Any:
        name, old, inputs = self._kind_name(message), given(message.properties), given(message.inputs)

        def read(kind: Kind) -> Found:
            if old.value:
                return kind.read(message.id, old.value)
            return import_resource(self._opened(), name, message.id, _owner(message.urn))

        found = await self._run(message, read)
        if found.id is None:
            return proto.ReadResponse(id="")
        live = inputs.value if found.inputs is None else {**inputs.value, **found.inputs}
        secrets = Properties(live, inputs.secrets | old.secrets)
        return proto.ReadResponse(
            id=found.id,
            properties=struct_of(recorded(name, found.outputs, secrets)),
            inputs=struct_of(secrets),
        )

    @guarded
    async def Delete(self, message: Any, _context: Any) -> Any:
        old = given(message.properties).value
        await self._run(message, lambda kind: kind.delete(message.id, old))
        return empty_pb2.Empty()

    @guarded
    async def GetSchema(self, _message: Any, _context: Any) -> Any:
        raise self.lacks("a schema; add --generate-code=false to `pulumi import`")

    async def Cancel(self, message: Any, context: Any) -> Any:
        answer = await super().Cancel(message, context)
        await self.in_thread(
            lambda: self._tell("stopping: no further machine is launched, what was launched is recorded")
        )
        return answer

    async def _run(self, message: Any, verb: Callable[[Kind], T]) -> T:
        self._opened()
        kind = self._kinds[self._kind_name(message)]

        def run() -> T:
            _urn.set(message.urn)
            return verb(kind)

        return await self.in_thread(run)

    def _opened(self) -> Session:
        if self._session is None:
            raise Unserved("The engine asked for a resource before it configured the provider.")
        return self._session

    def _kind_name(self, message: Any) -> KindName:
        token = message.urn.split("::")[-2].rpartition("$")[2]
        kind = kind_of(token)
        if kind is None:
            raise self.lacks(f"the resource {token}")
        return kind

    def _tell(self, line: str) -> None:
        self._say(_urn.get(), line)


def _owner(urn: str) -> Owner:
    stack, project = urn.split("::")[:2]
    return Owner(f"{project}/{stack.rpartition(':')[2]}", urn.rpartition("::")[2])
