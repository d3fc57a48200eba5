"""From the kinds' answers to the engine's: which places differ, and what its own settings allow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.native_provider.configuring import compare_configuration, reader_of, why_refused
from sophia_infra.native_provider.translating import detailed
from sophia_infra.native_provider.translating import given as given_properties
from sophia_infra.plugin_protocol.unknown import UNKNOWN
from sophia_infra.plugin_protocol.values import write_properties
from sophia_infra.provider.errors import SettingsRefused
from sophia_infra.provider.outcome import Diff
from tests.unit.plugin_protocol.served import struct

OLD = {"region": "a", "tags": {"team": "one", "room": "2"}, "filesystems": ["x"], "adopt": {}}


def test_each_place_is_named_and_those_that_replace_are_marked() -> None:
    new = {"region": "b", "tags": {"team": "two", "floor": "3"}, "filesystems": ["x", "y"]}
    found = detailed(Diff(("region", "tags", "filesystems"), ("region", "filesystems")), OLD, new)
    assert found.changes == {
        ("region",): "update",
        ("tags", "team"): "update",
        ("tags", "floor"): "add",
        ("tags", "room"): "delete",
        ("filesystems", 1): "add",
    }
    assert found.replaces == {("region",), ("filesystems", 1)}


def test_what_the_kind_does_not_count_as_a_change_is_none() -> None:
    assert detailed(Diff(), OLD, {"region": "b"}).changes == {}


def test_a_change_that_is_in_no_input_is_named_as_a_whole() -> None:
    """A certificate that nears its end, or boot data of which the state has the digest."""
    assert detailed(Diff(("boot_data",)), OLD, OLD).changes == {("boot_data",): "update"}
    assert detailed(Diff(("region",)), OLD, {**OLD, "region": UNKNOWN}).changes == {("region",): "update"}


def test_a_state_of_the_dynamic_provider_is_written_anew_unless_it_is_replaced() -> None:
    moved = detailed(Diff(), OLD, OLD, was_dynamic=True)
    assert (moved.changes, moved.replaces) == ({("__provider",): "delete"}, frozenset())
    replaced = detailed(Diff(("region",), ("region",)), OLD, {**OLD, "region": "b"}, was_dynamic=True)
    assert replaced.changes == {("region",): "update"}


values = st.recursive(
    st.one_of(st.text(max_size=3), st.integers(0, 3), st.just(UNKNOWN)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("ab", min_size=1), inner, max_size=3)
    ),
    max_leaves=6,
)
properties = st.dictionaries(st.sampled_from("abc"), values)


@given(properties, properties, st.sets(st.sampled_from("abc")), st.sets(st.sampled_from("abc")))
def test_every_change_of_a_kind_is_shown_and_nothing_else(
    old: dict[str, Any], new: dict[str, Any], changed: set[str], replacing: set[str]
) -> None:
    replacing &= changed
    found = detailed(Diff(tuple(changed), tuple(replacing)), old, new)
    assert {route[0] for route in found.changes} == changed
    assert {route[0] for route in found.replaces} == replacing
    assert found.replaces <= found.changes.keys()


@given(properties)
def test_properties_survive_the_way_without_the_pickled_provider(value: dict[str, Any]) -> None:
    assert given_properties(write_properties({**value, "__provider": "gASV"})).value == value


def test_secrets_are_known_by_their_place() -> None:
    read = given_properties(struct({"tags": {"a": "b"}, "region": "r"}, ("tags", "a")))
    assert read.secrets == {("tags", "a")}


@pytest.mark.parametrize("endpoint", [None, "", "cloud", 3])
def test_an_endpoint_that_is_none_of_the_two_is_refused(endpoint: Any) -> None:
    refused = why_refused({"endpoint": endpoint})
    assert refused is not None
    assert refused[0] == "endpoint"
    assert why_refused({"endpoint": UNKNOWN}) is None
    assert why_refused({"endpoint": "lambda"}) is None


def test_a_stack_never_moves_to_another_cloud() -> None:
    with pytest.raises(SettingsRefused, match=r"none of its machines is\. Nothing was changed"):
        compare_configuration({"endpoint": "emulator"}, {"endpoint": "lambda"})


def test_the_configuration_of_another_provider_is_no_change() -> None:
    assert compare_configuration({"sophia:endpoint": "emulator"}, {"endpoint": "emulator"}).changes == {}


def test_a_new_key_is_an_update_of_the_provider_and_replaces_nothing() -> None:
    old, new = {"endpoint": "emulator", "version": "1"}, {"endpoint": "emulator", "lambda_api_key": "k"}
    found = compare_configuration(old, new)
    assert (found.changes, found.replaces) == ({("lambda_api_key",): "add"}, frozenset())


def test_the_kinds_read_the_stack_s_keys() -> None:
    get = reader_of({"endpoint": "emulator", "version": "1.0.0"})
    assert (get("sophia:endpoint"), get("sophia:lambda_api_key"), get("sophia:version")) == (
        "emulator",
        None,
        None,
    )
