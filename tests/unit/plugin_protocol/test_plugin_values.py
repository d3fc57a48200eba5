from __future__ import annotations

from typing import Any

import pulumi
import pytest
from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st
from pulumi.runtime import rpc

from sophia_infra.plugin_protocol.values import UNKNOWN, has_unknown, read_properties, write_properties

LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | st.text(max_size=8)
KEYS = st.text(st.characters(categories=["L"]), min_size=1, max_size=4)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)


def without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    return [without_none(item) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_values_come_back_as_they_went(value: dict[str, Any]) -> None:
    read = read_properties(write_properties(value))
    assert read.value == without_none(value)
    assert not read.secrets


def test_whole_numbers_are_integers_and_bools_stay_bools() -> None:
    read = read_properties(write_properties({"port": 80.0, "share": 0.5, "on": True})).value
    assert {key: type(item) for key, item in read.items()} == {"port": int, "share": float, "on": bool}


def test_unknowns_are_kept_both_ways() -> None:
    struct = write_properties({"a": {"b": [UNKNOWN, 1]}})
    read = read_properties(struct).value
    assert read["a"]["b"][0] is UNKNOWN
    assert has_unknown(read)
    assert struct.fields["a"].struct_value.fields["b"].list_value.values[0].string_value == rpc.UNKNOWN


def marked(signature: str, value: Any, **further: Any) -> struct_pb2.Value:
    struct = struct_pb2.Struct()
    struct.update({rpc._special_sig_key: signature, "value": value, **further})
    return struct_pb2.Value(struct_value=struct)


def test_secrets_leave_a_path_beside_the_value() -> None:
    struct = struct_pb2.Struct()
    inner = marked(rpc._special_secret_sig, "hidden")
    struct.fields["data"].struct_value.fields["password"].CopyFrom(inner)
    struct.fields["open"].string_value = "seen"
    read = read_properties(struct)
    assert read.value == {"data": {"password": "hidden"}, "open": "seen"}
    assert read.secrets == {("data", "password")}
    assert list(read.secret_texts()) == ["hidden"]
    assert "hidden" not in repr(read)
    assert read_properties(write_properties(read.value, read.secrets)) == read


def test_a_secret_in_a_list_makes_the_list_secret() -> None:
    struct = struct_pb2.Struct()
    listed = struct.fields["env"].list_value.values
    listed.add().struct_value.fields["value"].CopyFrom(marked(rpc._special_secret_sig, "hidden"))
    read = read_properties(struct)
    assert read.value == {"env": [{"value": "hidden"}]}
    assert read.secrets == {("env",)}
    written = write_properties(read.value, read.secrets)
    assert rpc._special_sig_key in written.fields["env"].struct_value.fields


def test_outputs_of_other_resources_are_unwrapped() -> None:
    struct = struct_pb2.Struct()
    struct.fields["a"].CopyFrom(marked(rpc._special_output_value_sig, "x", secret=True))
    unknown = struct_pb2.Struct()
    unknown.update({rpc._special_sig_key: rpc._special_output_value_sig})
    struct.fields["b"].struct_value.CopyFrom(unknown)
    read = read_properties(struct)
    assert read.value["a"] == "x"
    assert read.value["b"] is UNKNOWN
    assert read.secrets == {("a",)}


def test_paths_to_nowhere_are_ignored_and_nested_secrets_marked_once() -> None:
    written = write_properties({"data": {"a": "1"}}, [("data",), ("data", "a"), ("gone", "b")])
    inner = written.fields["data"].struct_value.fields["value"].struct_value.fields["a"]
    assert inner.string_value == "1"


def test_what_is_no_property_value_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="no property value for object"):
        write_properties({"a": object()})


def test_the_experimental_classes_still_lose_unknowns() -> None:
    """The reason for this module: when a new SDK keeps them, it can go."""
    from pulumi.provider.experimental.property_value import Computed, PropertyValue

    struct = struct_pb2.Struct()
    struct.fields["a"].string_value = rpc.UNKNOWN
    assert not isinstance(PropertyValue.unmarshal_map(struct)["a"].value, Computed)
    with pytest.raises(ValueError, match="Unsupported value type"):
        PropertyValue(Computed()).marshal()
    assert pulumi.__name__ == "pulumi"
