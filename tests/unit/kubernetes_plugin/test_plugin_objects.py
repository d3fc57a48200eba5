"""The verbs for objects before the small server: check, diff, preview, and what is taken and what is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sophia_infra.kubernetes_plugin.errors import AlreadyExists, ApiRefused, ClusterUnreachable, NotReady
from sophia_infra.kubernetes_plugin.objects import Objects
from sophia_infra.kubernetes_plugin.tokens import field_manager
from sophia_infra.plugin_protocol.values import UNKNOWN, Properties
from tests.unit.kubernetes_plugin.api_server import Answer, ApiServer, refusal
from tests.unit.kubernetes_plugin.scenes import (
    GONE,
    PATH,
    URN,
    Listener,
    asks,
    config_map,
    live,
    updates,
)


def test_check_completes_the_object(objects: Callable[..., Objects], server: ApiServer) -> None:
    checked = objects(namespace="shop").check(asks({"data": {"a": "1"}, "metadata": {"name": "settings"}}))
    assert (checked.inputs.value, checked.failures) == (config_map(), {})
    assert server.asked == []  # a kind of Kubernetes' own needs no server


@pytest.mark.parametrize(
    ("type_", "metadata", "failure"),
    [
        ("core/v1:ConfigMap", {"name": "Bad"}, "metadata.name"),
        ("core/v1:ConfigMap", {"generateName": "a-"}, "metadata.generateName"),
        ("core/v1:Node", {"name": "a", "namespace": "shop"}, "metadata.namespace"),
        ("core/v1:NodePatch", {}, "metadata.name"),
    ],
)
def test_check_names_the_property(
    objects: Callable[..., Objects], type_: str, metadata: dict[str, str], failure: str
) -> None:
    checked = objects().check(asks({"metadata": metadata}, type=f"kubernetes:{type_}"))
    assert list(checked.failures) == [failure]


def test_check_waits_for_no_unknown_name(objects: Callable[..., Objects]) -> None:
    assert not objects().check(asks({"metadata": {"name": UNKNOWN}})).failures
    assert objects().check(asks({"metadata": UNKNOWN})).inputs.value["metadata"] is UNKNOWN


def test_equal_inputs_ask_no_server(objects: Callable[..., Objects], server: ApiServer) -> None:
    assert not objects().diff(updates(config_map(), config_map())).changes
    assert server.asked == []


def test_a_change_that_changes_nothing_on_the_server_is_none(
    objects: Callable[..., Objects], server: ApiServer
) -> None:
    same = live(config_map(a="1", default="x"))
    server.answer(PATH, same)
    request = updates(config_map(a="1"), config_map(a="1", default="x"))
    assert not objects(mutable_config_maps=True).diff(request).changes
    assert server.asked[1].query["dryRun"] == "All"


def test_a_change_is_one_and_immutable_data_replaces(
    objects: Callable[..., Objects], server: ApiServer
) -> None:
    server.answer(PATH, live(config_map(a="2")), live(config_map(a="1")))
    request = updates(config_map(a="1"), config_map(a="2"))
    in_place = objects(mutable_config_maps=True).diff(request)
    assert (in_place.changes, in_place.replaces) == ({("data", "a"): "update"}, frozenset())
    replacing = objects().diff(request)
    assert replacing.replaces == {("data", "a")}
    assert replacing.delete_first


def test_a_made_name_needs_no_deletion_first(objects: Callable[..., Objects]) -> None:
    old, new = config_map(a="1"), config_map(a="2")
    for body in (old, new):
        body["metadata"]["annotations"] = {"pulumi.com/autonamed": "true"}
    difference = objects().diff(updates(old, new))
    assert difference.replaces
    assert not difference.delete_first


def test_the_server_knows_what_is_immutable(objects: Callable[..., Objects], server: ApiServer) -> None:
    cause = {"field": "data", "message": "field is immutable", "reason": "FieldValueForbidden"}
    server.answer(PATH, refusal(422, "Invalid", "ConfigMap is invalid", cause))
    difference = objects(mutable_config_maps=True).diff(updates(config_map(a="1"), config_map(a="2")))
    assert difference.replaces == {("data", "a")}


def test_a_namespace_that_is_only_spelled_out_replaces_nothing(objects: Callable[..., Objects]) -> None:
    old = config_map()
    del old["metadata"]["namespace"]
    request = asks(config_map(), old=Properties(live(config_map())), old_inputs=Properties(old))
    assert not objects().diff(request).changes


def test_create_looks_before_it_applies(objects: Callable[..., Objects], server: ApiServer) -> None:
    server.answer(PATH, GONE, live(config_map()))
    id_, outputs = objects().create(asks(config_map()))
    assert id_ == "shop/settings"
    assert outputs.value["metadata"]["uid"] == "u1"
    assert [asked.method for asked in server.asked] == ["GET", "GET", "PATCH"]
    assert server.asked[2].query == {"fieldManager": field_manager(URN, {}), "force": "false"}


def test_create_takes_nothing_of_others_but_its_own_of_before(
    objects: Callable[..., Objects], server: ApiServer
) -> None:
    server.answer(PATH, live(config_map(), manager="kubectl"))
    for preview in (True, False):
        with pytest.raises(AlreadyExists, match='configmaps "settings" already exists in namespace shop'):
            objects().create(asks(config_map(), preview=preview))
    assert objects(upsert=True).create(asks(config_map()))
    assert objects(force=True).create(asks(config_map()))
    server.answer(PATH, live(config_map()))
    assert objects().create(asks(config_map()))[0] == "shop/settings"


def test_a_replacement_may_be_previewed_over_the_object_that_goes_first(
    objects: Callable[..., Objects], server: ApiServer
) -> None:
    server.answer(PATH, live(config_map(), manager="kubectl"))
    verbs = objects()
    assert verbs.diff(updates(config_map(a="1"), config_map(a="2"))).delete_first
    assert verbs.create(asks(config_map(a="2"), preview=True))[1].value["metadata"]["uid"] is UNKNOWN


@pytest.mark.parametrize(
    "answer",
    [
        refusal(404, "NotFound", 'namespaces "shop" not found'),
        refusal(400, "BadRequest", 'admission webhook "x" does not support dry run'),
    ],
)
def test_a_preview_goes_on_without_what_is_not_there_yet(
    objects: Callable[..., Objects], server: ApiServer, answer: Answer
) -> None:
    server.answer(PATH, GONE, answer)
    outputs = objects().create(asks(config_map(), preview=True))[1].value
    assert outputs["data"] == {"a": "1"}
    assert outputs["metadata"]["uid"] is UNKNOWN


def test_a_preview_says_what_the_server_would_refuse(
    objects: Callable[..., Objects], server: ApiServer
) -> None:
    server.answer(PATH, GONE, refusal(422, "Invalid", "metadata.labels: Invalid value"))
    with pytest.raises(ApiRefused, match="Invalid value"):
        objects().create(asks(config_map(), preview=True))


def test_a_conflict_has_a_way_out(objects: Callable[..., Objects], server: ApiServer) -> None:
    cause = {"field": ".data.a", "message": 'conflict with "kubectl"', "reason": "FieldManagerConflict"}
    server.answer(PATH, refusal(409, "Conflict", "Apply failed with 1 conflict", cause))
    with pytest.raises(ApiRefused) as refused:
        objects().update(updates(config_map(a="1"), config_map(a="2")))
    way_out = "(to take the fields over, set the annotation pulumi.com/patchForce to true)"
    assert str(refused.value) == f"Apply failed with 1 conflict {way_out}"


def test_without_a_server_the_settings_say_what_happens(
    objects: Callable[..., Objects], listener: Listener
) -> None:
    dead = "https://127.0.0.1:1"
    request = updates(config_map(a="1"), config_map(a="2"))
    with pytest.raises(ClusterUnreachable):
        objects(url=dead).update(request)
    with pytest.raises(ClusterUnreachable):
        objects(url=dead).delete(request)
    assert objects(url=dead).create(asks(config_map(), preview=True))[1].value["data"] == {"a": "1"}
    assert objects(url=dead, skip_update_unreachable=True).update(request) is request.old
    objects(url=dead, delete_unreachable=True).delete(request)
    assert objects(url=dead, delete_unreachable=True).read(request) is None
    assert [text.partition(":")[0] for text in listener.warnings] == [
        "This preview shows inputs only",
        "left as it is, as skipUpdateUnreachable says",
        "forgotten, as deleteUnreachable says",
        "forgotten, as deleteUnreachable says",
    ]


def test_read_follows_drift_and_misses_what_is_gone(
    objects: Callable[..., Objects], server: ApiServer
) -> None:
    request = updates(config_map(a="1"), {})
    server.answer(PATH, live(config_map(a="9", added="x")), GONE)
    found = objects().read(request)
    assert found is not None
    assert found.inputs.value["data"] == {"a": "9"}
    assert objects().read(request) is None


def test_deletion_of_what_is_gone_succeeds(objects: Callable[..., Objects], server: ApiServer) -> None:
    server.answer(PATH, GONE)
    objects().delete(updates(config_map(), {}))
    assert server.asked[-1].body["propagationPolicy"] == "Background"
    server.answer("/api/v1", {"resources": []})
    objects().delete(updates(config_map(), {}))  # a kind that is gone has no objects


def test_a_new_manager_takes_over_from_the_old(objects: Callable[..., Objects], server: ApiServer) -> None:
    new = config_map(a="2")
    new["metadata"]["annotations"] = {"pulumi.com/patchFieldManager": "sophia-infra-new"}
    server.answer(PATH, live(new))
    objects().update(updates(config_map(a="1"), new))
    applied = [asked for asked in server.asked if asked.method == "PATCH"]
    assert [asked.query["fieldManager"] for asked in applied] == ["sophia-infra-new", field_manager(URN, {})]
    assert applied[1].body["metadata"] == {"name": "settings", "namespace": "shop", "uid": "u1"}


def test_an_object_is_recorded_when_the_server_is_lost_while_waiting(
    objects: Callable[..., Objects], server: ApiServer
) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    server.answer(
        "/api/v1", {"resources": [{"kind": "Namespace", "name": "namespaces", "namespaced": False}]}
    )
    pending = {**live(body), "status": {"phase": "starting"}}
    server.answer("/api/v1/namespaces/shop", GONE, pending, refusal(403, "Forbidden", "not any more"))
    with pytest.raises(NotReady) as recorded:
        objects().create(asks(body, type="kubernetes:core/v1:Namespace"))
    assert recorded.value.reasons == ("not any more",)
    assert recorded.value.outputs.value["metadata"]["uid"] == "u1"
