"""Property values of the engine's protocol <-> plain Python, with unknowns and secrets kept.

`pulumi.provider.experimental.PropertyValue` of the pinned SDK loses unknowns: it reads their mark as a string
and cannot write it. So this room converts the protobuf structures itself.

Plain values are dict, list, str, int, float, bool, None and UNKNOWN. Whole numbers are int: the protocol has
only doubles, and the API server refuses `80.0` for a port. Where a secret was is kept beside the value, as
paths; a secret inside a list counts for the whole list, because the server may order and extend lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from google.protobuf import struct_pb2
from pulumi.runtime import rpc

from sophia_infra.plugin_protocol.unknown import UNKNOWN

__all__ = ["UNKNOWN", "Path", "Properties", "has_unknown", "read_properties", "write_properties"]

Path = tuple[str, ...]

_UNKNOWN_MARKS = frozenset(
    {
        rpc.UNKNOWN,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
"""How the protocol writes "not known yet", one mark per type (resource/plugin/rpc.go of the SDK for Go)."""


@dataclass(frozen=True, slots=True)
class Properties:
    """A resource's inputs or outputs. `repr` shows no value."""

    value: dict[str, Any] = field(repr=False)
    secrets: frozenset[Path] = frozenset()

    def secret_texts(self) -> Iterator[str]:
        """Every string that lies at or below a secret path."""
        for path in self.secrets:
            yield from _texts(_at(self.value, path))


def read_properties(struct: struct_pb2.Struct) -> Properties:
    """Convert a message of the engine. Keys whose value is null are left out, as if not written."""
    secrets: set[Path] = set()
    value = {
        key: item
        for key, raw in struct.fields.items()
        if (item := _read(raw, (key,), secrets, in_list=False)) is not None
    }
    return Properties(value, frozenset(secrets))


def write_properties(value: Mapping[str, Any], secrets: Iterable[Path] = ()) -> struct_pb2.Struct:
    """Convert back. Values at the paths `secrets` are marked; a path that leads nowhere is ignored."""
    marked = frozenset(secrets)
    struct = struct_pb2.Struct()
    for key, item in value.items():
        _write(struct.fields[key], item, (key,), marked)
    return struct


def has_unknown(value: Any) -> bool:
    """Whether UNKNOWN is in `value`, at any depth."""
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN


def _read(raw: struct_pb2.Value, path: Path, secrets: set[Path], *, in_list: bool) -> Any:
    match raw.WhichOneof("kind"):
        case "string_value":
            return UNKNOWN if raw.string_value in _UNKNOWN_MARKS else raw.string_value
        case "number_value":
            number = raw.number_value
            return int(number) if number.is_integer() else number
        case "bool_value":
            return raw.bool_value
        case "list_value":
            return [_read(item, path, secrets, in_list=True) for item in raw.list_value.values]
        case "struct_value":
            return _read_struct(raw.struct_value, path, secrets, in_list=in_list)
        case _:
            return None


def _read_struct(struct: struct_pb2.Struct, path: Path, secrets: set[Path], *, in_list: bool) -> Any:
    fields = struct.fields
    signature = fields[rpc._special_sig_key].string_value if rpc._special_sig_key in fields else None
    if signature is None:
        result: dict[str, Any] = {}
        for key, raw in fields.items():
            item = _read(raw, path if in_list else (*path, key), secrets, in_list=in_list)
            if item is not None:
                result[key] = item
        return result
    if signature == rpc._special_secret_sig:
        secrets.add(path)
        return _read(fields["value"], path, secrets, in_list=in_list)
    if signature == rpc._special_output_value_sig:
        if fields["secret"].bool_value:
            secrets.add(path)
        return _read(fields["value"], path, secrets, in_list=in_list) if "value" in fields else UNKNOWN
    if signature == rpc._special_asset_sig:
        if "path" in fields:
            return FilePath(fields["path"].string_value).read_text(encoding="utf-8")
        return fields["text"].string_value
    if signature == rpc._special_resource_sig:
        return fields["urn"].string_value
    return None


def _write(raw: struct_pb2.Value, value: Any, path: Path, secrets: frozenset[Path]) -> None:
    if path in secrets:
        fields = raw.struct_value.fields
        fields[rpc._special_sig_key].string_value = rpc._special_secret_sig
        raw = fields["value"]
        secrets = frozenset()  # all below is secret with it
    if value is None:
        raw.null_value = struct_pb2.NULL_VALUE
    elif value is UNKNOWN:
        raw.string_value = rpc.UNKNOWN
    elif isinstance(value, bool):
        raw.bool_value = value
    elif isinstance(value, int | float):
        raw.number_value = value
    elif isinstance(value, str):
        raw.string_value = value
    elif isinstance(value, Mapping):
        raw.struct_value.SetInParent()
        for key, item in value.items():
            _write(raw.struct_value.fields[key], item, (*path, key), secrets)
    elif isinstance(value, list | tuple):
        raw.list_value.SetInParent()
        for item in value:
            # Paths end at lists: a secret below one has marked the list itself.
            _write(raw.list_value.values.add(), item, (), frozenset())
    else:
        raise TypeError(f"no property value for {type(value).__name__}")


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
