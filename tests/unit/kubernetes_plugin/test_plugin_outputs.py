from __future__ import annotations

import base64
import json
from typing import Any

from sophia_infra.kubernetes_plugin.cluster import wire_form
from sophia_infra.kubernetes_plugin.outputs import expect, follow, follow_string_data, inputs_of, record
from sophia_infra.plugin_protocol.values import UNKNOWN, Properties, write_properties

ENCODED = base64.b64encode(b"hidden").decode()


def secret(**further: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, **further}


def test_a_record_has_the_object_and_how_it_came_about() -> None:
    inputs = Properties({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
    live = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "uid": "u", "managedFields": [1]},
    }
    recorded = record(live, inputs, "manager")
    assert recorded.value["metadata"] == {"name": "a", "uid": "u"}
    assert recorded.value["__fieldManager"] == "manager"
    assert recorded.value["__inputs"] == inputs.value
    assert not recorded.secrets


def test_values_of_a_secret_are_secret_whatever_the_program_said() -> None:
    recorded = record(secret(data={"p": ENCODED}), Properties(secret(stringData={"p": "hidden"})), "m")
    written = str(write_properties(recorded.value, recorded.secrets))
    assert {("data",), ("__inputs", "stringData")} <= recorded.secrets
    assert written.count(ENCODED) == 1
    opened = write_properties(recorded.value)
    assert opened.fields["data"].struct_value.fields["p"].string_value == ENCODED  # and only marks hide it


def test_a_preview_leaves_to_the_server_what_is_the_servers() -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a", "uid": "dry"},
        "spec": {"clusterIP": "10.0.0.9"},
    }
    inputs = Properties({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {}})
    foreseen = expect(service, inputs, None).value
    assert foreseen["metadata"]["uid"] is UNKNOWN
    assert foreseen["spec"]["clusterIP"] is UNKNOWN
    assert foreseen["status"] is UNKNOWN
    old = {"metadata": {"uid": "real", "creationTimestamp": "t", "resourceVersion": "7"}}
    update = expect(service, inputs, old).value
    assert update["metadata"]["uid"] == "real"
    assert update["metadata"]["resourceVersion"] is UNKNOWN
    assert update["spec"]["clusterIP"] == "10.0.0.9"


def test_a_preview_does_not_change_the_inputs() -> None:
    inputs = Properties(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"x": UNKNOWN}}}
    )
    foreseen = expect(inputs.value, inputs, None).value
    assert "uid" not in inputs.value["metadata"]
    assert foreseen["metadata"]["labels"]["x"] is UNKNOWN


def test_imported_inputs_leave_out_what_the_server_added() -> None:
    applied: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": ""},
        "data": {"a": "1"},
    }
    live: dict[str, Any] = {
        **applied,
        "metadata": {
            "name": "a",
            "uid": "u",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(applied)},
        },
        "data": {"a": "1", "b": "defaulted"},
    }
    expected = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "1"}}
    assert inputs_of(live).value == expected
    live["metadata"]["annotations"] = {"mine": "x"}
    everything = inputs_of({**live, "status": {}}).value
    assert everything["metadata"] == {"name": "a", "annotations": {"mine": "x"}}
    assert everything["data"] == {"a": "1", "b": "defaulted"}
    assert "status" not in everything
    assert ("data",) in inputs_of(secret(data={"p": ENCODED})).secrets


def test_inputs_follow_the_server_only_where_it_has_moved() -> None:
    inputs = {"cpu": "1000m", "replicas": 2, "gone": 1, "list": [{"a": "1000m"}], "never": 5}
    before = {"cpu": "1", "replicas": 2, "gone": 1, "list": [{"a": "1", "default": True}], "other": 1}
    now = {"cpu": "1", "replicas": 3, "list": [{"a": "1", "default": True}], "other": 2}
    assert follow(inputs, before, now) == {
        "cpu": "1000m",
        "replicas": 3,
        "list": [{"a": "1000m"}],
        "never": 5,
    }
    assert follow({"list": [1, 2]}, {"list": [1, 2]}, {"list": [1]}) == {"list": [1]}


def test_string_data_follows_data() -> None:
    live = {"data": {"p": base64.b64encode(b"new").decode(), "q": "/w=="}}
    assert follow_string_data({"stringData": {"p": "old", "q": "text", "r": "gone"}}, live) == {
        "p": "new",
        "q": "text",
    }


def test_string_data_is_sent_as_data_and_our_own_keys_stay_here() -> None:
    sent = wire_form(secret(stringData={"p": "hidden"}, data={"q": "x"}, __inputs={}))
    assert sent == secret(data={"p": ENCODED, "q": "x"})
