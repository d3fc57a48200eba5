"""The engine's protocol around the verbs of this room: messages in, answers and errors out."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn, TypeVar

from google.protobuf import empty_pb2
from pulumi.provider.experimental.provider import Provider
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime import proto

from sophia_infra.kubernetes_plugin.answers import abort, differences, struct_of
from sophia_infra.kubernetes_plugin.errors import NotSupported, PluginError
from sophia_infra.kubernetes_plugin.objects import Objects
from sophia_infra.kubernetes_plugin.patches import Patches
from sophia_infra.kubernetes_plugin.releases import Releases
from sophia_infra.kubernetes_plugin.rendered import Rendered
from sophia_infra.kubernetes_plugin.requests import Difference, Reporter, Request, Resources
from sophia_infra.kubernetes_plugin.session import Session
from sophia_infra.kubernetes_plugin.settings import compare_settings, read_settings, why_settings_are_refused
from sophia_infra.kubernetes_plugin.tokens import RELEASE_TYPE, object_type
from sophia_infra.kubernetes_plugin.values import read_properties

MOST_THREADS = 256
"""Waits hold a thread each; the engine's own limit of parallel steps is the one that counts."""

T = TypeVar("T")
Method = Callable[[Any, Any, Any], Coroutine[Any, Any, T]]


def _guarded(method: Method[T]) -> Method[T]:
    """Turn whatever `method` raises into a gRPC status: a traceback would tell a user nothing."""

    @functools.wraps(method)
    async def guarded(self: Any, message: Any, context: Any) -> T:
        try:
            return await method(self, message, context)
        except Exception as error:
            failed = error
        return await abort(context, failed, message)

    return guarded


class KubernetesServicer(ProviderServicer):
    """One provider resource. Verbs run in threads.

    The stock servicer is replaced verb by verb: it loses unknown values, hands `diff` no old inputs, cannot
    record an object that exists but is not ready, and fails in `DiffConfig`.
    """

    def __init__(self, version: str, engine_address: str, reporter: Reporter) -> None:
        super().__init__([], version, Provider(), engine_address)
        self._reporter = reporter
        self._cancelled = threading.Event()
        self._threads = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="verb")
        self._sorts: tuple[Resources, Resources, Resources] | None = None

    @_guarded
    async def CheckConfig(self, message: Any, _context: Any) -> Any:
        refused = why_settings_are_refused(read_properties(message.news).value)
        failures = [proto.CheckFailure(property=refused[0], reason=refused[1])] if refused else []
        return proto.CheckResponse(inputs=message.news, failures=failures)

    @_guarded
    async def DiffConfig(self, message: Any, _context: Any) -> Any:
        old = message.old_inputs if message.old_inputs.fields else message.olds
        changes, moved = compare_settings(read_properties(old).value, read_properties(message.news).value)
        return differences(Difference(changes, frozenset(changes) if moved else frozenset()))

    @_guarded
    async def Configure(self, message: Any, _context: Any) -> Any:
        session = Session(read_settings(read_properties(message.args).value), self._cancelled)
        directory = session.settings.render_directory
        plain: Resources = Objects(session, self._reporter)
        patches: Resources = Patches(session, self._reporter)
        if directory:
            plain = patches = Rendered(session, self._reporter, directory)
        self._sorts = (plain, patches, Releases(session, self._reporter))
        return proto.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    @_guarded
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

    @_guarded
    async def Diff(self, message: Any, _context: Any) -> Any:
        request = _request(
            message,
            id=message.id,
            old=read_properties(message.olds),
            old_inputs=read_properties(message.old_inputs),
            new=read_properties(message.news),
        )
        return differences(await self._run(request, lambda to: to.diff(request)))

    @_guarded
    async def Create(self, message: Any, _context: Any) -> Any:
        request = _request(
            message,
            new=read_properties(message.properties),
            timeout_s=message.timeout,
            preview=message.preview,
        )
        id_, outputs = await self._run(request, lambda to: to.create(request))
        return proto.CreateResponse(id=id_, properties=struct_of(outputs))

    @_guarded
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

    @_guarded
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

    @_guarded
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

    @_guarded
    async def Invoke(self, message: Any, _context: Any) -> Any:
        _lacks(f"the function {message.tok}")

    @_guarded
    async def Construct(self, message: Any, _context: Any) -> Any:
        _lacks(f"the component {message.type}")

    @_guarded
    async def Call(self, message: Any, _context: Any) -> Any:
        _lacks(f"the method {message.tok}")

    @_guarded
    async def GetSchema(self, _message: Any, _context: Any) -> Any:
        _lacks("a schema")

    async def Cancel(self, _message: Any, _context: Any) -> Any:
        self.stop_waiting()
        return empty_pb2.Empty()

    def stop_waiting(self) -> None:
        """End all waits, and the helm commands that run."""
        self._cancelled.set()

    async def _run(self, request: Request, verb: Callable[[Resources], T]) -> T:
        if self._sorts is None:
            raise PluginError("The engine asked for a resource before it configured the provider.")
        plain, patches, releases = self._sorts
        sort = plain
        if request.type == RELEASE_TYPE:
            sort = releases
        elif object_type(request.type, request.new.value or request.old.value).is_patch:
            sort = patches
        return await asyncio.get_running_loop().run_in_executor(self._threads, verb, sort)


def _request(message: Any, **fields: Any) -> Request:
    parts = message.urn.split("::")
    return Request(urn=message.urn, type=parts[-2].rpartition("$")[2], name=parts[-1], **fields)


def _lacks(what: str) -> NoReturn:
    raise NotSupported(f"The Kubernetes stand-in does not have {what}: the official plugin is needed for it.")
