"""Plain results and errors as the engine's protocol wants them. Secret values do not leave in messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import grpc
from google.protobuf import struct_pb2
from pulumi.runtime import proto
from pulumi.runtime.proto import provider_pb2, status_pb2

from sophia_infra.plugin_protocol.changes import Change, Difference, show_route
from sophia_infra.plugin_protocol.values import Properties, read_properties, write_properties

__all__ = ["Failure", "Unfinished", "abort", "differences", "own_mistake", "struct_of"]

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


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What exists although its call failed: the engine records it, and updates it in the next run.

    `reasons` are sentences for the user.
    """

    id: str
    outputs: Properties
    reasons: Sequence[str]


@dataclass(frozen=True, slots=True)
class Failure:
    """How a call ends that did not work: what the user reads, and the name of the gRPC status."""

    message: str
    grpc_status: str = "FAILED_PRECONDITION"
    unfinished: Unfinished | None = None


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


def own_mistake(error: Exception, who: str) -> Failure:
    """Type and place of an unexpected error, not its text, which may hold values of the user."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" in {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return Failure(f"{who} made a mistake: {type(error).__name__}{place}.", "INTERNAL")


async def abort(context: Any, failure: Failure, message: Any) -> NoReturn:
    """End a call with the status for `failure`; `message` is the request, for the secrets in it."""
    hidden = sorted(set(_secrets(message)), key=len, reverse=True)
    text = _hide(failure.message, hidden)
    code = grpc.StatusCode[failure.grpc_status]
    trailing: tuple[tuple[str, bytes], ...] = ()
    if failure.unfinished is not None:
        inputs = read_properties(message.news if hasattr(message, "news") else message.properties)
        detail = provider_pb2.ErrorResourceInitFailed(
            id=failure.unfinished.id,
            properties=struct_of(failure.unfinished.outputs),
            reasons=[_hide(reason, hidden) for reason in failure.unfinished.reasons],
            inputs=struct_of(inputs),
        )
        status = status_pb2.Status(code=code.value[0], message=text)
        status.details.add().Pack(detail)
        trailing = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(code, text, trailing)
    raise AssertionError("abort raises")


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
