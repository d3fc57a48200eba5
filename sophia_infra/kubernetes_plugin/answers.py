"""Plain results and errors as the engine's protocol wants them. Secret values do not leave in messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import grpc
from google.protobuf import struct_pb2
from pulumi.runtime import proto
from pulumi.runtime.proto import provider_pb2, status_pb2

from sophia_infra.kubernetes_plugin.changes import Change, show_route
from sophia_infra.kubernetes_plugin.errors import NotReady, PluginError
from sophia_infra.kubernetes_plugin.requests import Difference
from sophia_infra.kubernetes_plugin.values import Properties, read_properties, write_properties

_SHORTEST_SECRET = 6
"""Shorter secret values are not cut out of messages: they would take innocent words with them."""
_HIDDEN = "[secret]"
_PROPERTIES = ("news", "properties", "olds", "inputs", "old_inputs", "args")
"""Names of the fields of the engine's messages that hold property values."""

_KINDS: dict[tuple[Change, bool], Any] = {
    ("add", False): provider_pb2.PropertyDiff.ADD,
    ("add", True): provider_pb2.PropertyDiff.ADD_REPLACE,
    ("delete", False): provider_pb2.PropertyDiff.DELETE,
    ("delete", True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    ("update", False): provider_pb2.PropertyDiff.UPDATE,
    ("update", True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


def struct_of(properties: Properties) -> struct_pb2.Struct:
    """Properties as a message, secrets marked."""
    return write_properties(properties.value, properties.secrets)


def differences(difference: Difference) -> Any:
    """A DiffResponse with one row per changed place."""
    answer = proto.DiffResponse(
        changes=proto.DiffResponse.DIFF_SOME if difference.changes else proto.DiffResponse.DIFF_NONE,
        deleteBeforeReplace=difference.delete_first,
        hasDetailedDiff=True,
    )
    for route, change in difference.changes.items():
        replaces = route in difference.replaces
        shown = show_route(route)
        row = provider_pb2.PropertyDiff(kind=_KINDS[change, replaces], inputDiff=True)
        answer.detailedDiff[shown].CopyFrom(row)
        if replaces:
            answer.replaces.append(shown)
    answer.diffs.extend(dict.fromkeys(str(route[0]) for route in difference.changes))
    return answer


async def abort(context: Any, error: Exception, message: Any) -> NoReturn:
    """End a call with the status for `error`; `message` is the request, for the secrets in it."""
    if not isinstance(error, PluginError):
        error = _own_mistake(error)
    hidden = sorted(set(_secrets(message)), key=len, reverse=True)
    text = _hide(error.message, hidden)
    code = grpc.StatusCode[error.grpc_status]
    trailing: tuple[tuple[str, bytes], ...] = ()
    if isinstance(error, NotReady):
        inputs = read_properties(message.news if hasattr(message, "news") else message.properties)
        detail = provider_pb2.ErrorResourceInitFailed(
            id=error.id,
            properties=struct_of(error.outputs),
            reasons=[_hide(reason, hidden) for reason in error.reasons],
            inputs=struct_of(inputs),
        )
        status = status_pb2.Status(code=code.value[0], message=text)
        status.details.add().Pack(detail)
        trailing = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(code, text, trailing)
    raise AssertionError("abort raises")


def _own_mistake(error: Exception) -> PluginError:
    """Type and place of an unexpected error, not its text, which may hold values of the user."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" in {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    ours = PluginError(f"The Kubernetes stand-in made a mistake: {type(error).__name__}{place}.")
    ours.grpc_status = "INTERNAL"
    return ours


def _secrets(message: Any) -> Iterator[str]:
    for name in _PROPERTIES:
        if name in message.DESCRIPTOR.fields_by_name:
            for text in read_properties(getattr(message, name)).secret_texts():
                if len(text) >= _SHORTEST_SECRET:
                    yield text


def _hide(text: str, hidden: list[str]) -> str:
    for secret in hidden:
        text = text.replace(secret, _HIDDEN)
    return text
