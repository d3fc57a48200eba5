"""The engine's protocol around the verbs of this room: messages in, answers and errors out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf import empty_pb2
from pulumi.runtime import proto

from sophia_infra.kubernetes_plugin.errors import NotReady, NotSupported, PluginError
from sophia_infra.kubernetes_plugin.objects import Objects
from sophia_infra.kubernetes_plugin.patches import Patches
from sophia_infra.kubernetes_plugin.releases import Releases
from sophia_infra.kubernetes_plugin.rendered import Rendered
from sophia_infra.kubernetes_plugin.requests import Reporter, Request, Resources
from sophia_infra.kubernetes_plugin.session import Session
from sophia_infra.kubernetes_plugin.settings import compare_settings, read_settings, why_settings_are_refused
from sophia_infra.kubernetes_plugin.tokens import RELEASE_TYPE, object_type
from sophia_infra.plugin_protocol.answers import Failure, Unfinished, differences, own_mistake, struct_of
from sophia_infra.plugin_protocol.changes import Difference
from sophia_infra.plugin_protocol.servicer import PluginServicer, guarded
from sophia_infra.plugin_protocol.values import read_properties

T = TypeVar("T")


class KubernetesServicer(PluginServicer):
    """One provider resource."""

    def __init__(self, version: str, engine_address: str, reporter: Reporter) -> None:
        super().__init__(version, engine_address)
        self._reporter = reporter
        self._sorts: tuple[Resources, Resources, Resources] | None = None

    def failure_of(self, error: Exception) -> Failure:
        if isinstance(error, NotReady):
            unfinished = Unfinished(error.id, error.outputs, error.reasons)
            return Failure(error.message, error.grpc_status, unfinished)
        if isinstance(error, PluginError):
            return Failure(error.message, error.grpc_status)
        return own_mistake(error, "The Kubernetes stand-in")

    def lacks(self, what: str) -> NotSupported:
        return NotSupported(
            f"The Kubernetes stand-in does not have {what}: the official plugin is needed for it."
        )

    @guarded
    async def CheckConfig(self, message: Any, _context: Any) -> Any:
        refused = why_settings_are_refused(read_properties(message.news).value)
        failures = [proto.CheckFailure(property=refused[0], reason=refused[1])] if refused else []
        return proto.CheckResponse(inputs=message.news, failures=failures)

    @guarded
    async def DiffConfig(self, message: Any, _context: Any) -> Any:
        old = message.old_inputs if message.old_inputs.fields else message.olds
        changes, moved = compare_settings(read_properties(old).value, read_properties(message.news).value)
        return differences(Difference(changes, frozenset(changes) if moved else frozenset()))

    @guarded
    async def Configure(self, message: Any, _context: Any) -> Any:
        session = Session(read_settings(read_properties(message.args).value), self.cancelled)
        directory = session.settings.render_directory
        plain: Resources = Objects(session, self._reporter)
        patches: Resources = Patches(session, self._reporter)
        if directory:
            plain = patches = Rendered(session, self._reporter, directory)
        self._sorts = (plain, patches, Releases(session, self._reporter))
        return proto.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    @guarded
    async def Check(self, message: Any, _context: Any) -> Any:
        request = _request(
            message,
            old_inputs=read_properties(message.olds),
            new=read_properties(message.news),
            seed=message.randomSeed,
        )
        checked = await self._run(request, lambda to: to.check(request))
        failures = [proto.CheckFailure(property=key, reason=text) for key, text in checked.failures.items()]
        return proto.CheckResponse(inputs=struct_of(checked.inputs), failures=failures)

    @guarded
    async def Diff(self, message: Any, _context: Any) -> Any:
        request = _request(
            message,
            id=message.id,
            old=read_properties(message.olds),
            old_inputs=read_properties(message.old_inputs),
            new=read_properties(message.news),
        )
        return differences(await self._run(request, lambda to: to.diff(request)))

    @guarded
    async def Create(self, message: Any, _context: Any) -> Any:
        request = _request(
            message,
            new=read_properties(message.properties),
            timeout_s=message.timeout,
            preview=message.preview,
        )
        id_, outputs = await self._run(request, lambda to: to.create(request))
        return proto.CreateResponse(id=id_, properties=struct_of(outputs))

    @guarded
    async def Update(self, message: Any, _context: Any) -> Any:
        request = _request(
            message,
            id=message.id,
            old=read_properties(message.olds),
            old_inputs=read_properties(message.old_inputs),
            new=read_properties(message.news),
            timeout_s=message.timeout,
            preview=message.preview,
        )
        outputs = await self._run(request, lambda to: to.update(request))
        return proto.UpdateResponse(properties=struct_of(outputs))

    @guarded
    async def Read(self, message: Any, _context: Any) -> Any:
        request = _request(
            message,
            id=message.id,
            old=read_properties(message.properties),
            old_inputs=read_properties(message.inputs),
        )
        found = await self._run(request, lambda to: to.read(request))
        if found is None:
            return proto.ReadResponse(id="")
        return proto.ReadResponse(
            id=found.id, properties=struct_of(found.outputs), inputs=struct_of(found.inputs)
        )

    @guarded
    async def Delete(self, message: Any, _context: Any) -> Any:
        request = _request(
            message,
            id=message.id,
            old=read_properties(message.properties),
            old_inputs=read_properties(message.old_inputs),
            timeout_s=message.timeout,
        )
        await self._run(request, lambda to: to.delete(request))
        return empty_pb2.Empty()

    @guarded
    async def GetSchema(self, _message: Any, _context: Any) -> Any:
        raise self.lacks("a schema")

    async def _run(self, request: Request, verb: Callable[[Resources], T]) -> T:
        if self._sorts is None:
            raise PluginError("The engine asked for a resource before it configured the provider.")
        plain, patches, releases = self._sorts
        sort = plain
        if request.type == RELEASE_TYPE:
            sort = releases
        elif object_type(request.type, request.new.value or request.old.value).is_patch:
            sort = patches
        return await self.in_thread(lambda: verb(sort))


def _request(message: Any, **fields: Any) -> Request:
    parts = message.urn.split("::")
    return Request(urn=message.urn, type=parts[-2].rpartition("$")[2], name=parts[-1], **fields)
