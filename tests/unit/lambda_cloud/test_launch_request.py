"""What a launch may ask for: the client's rules against the vendor's document, before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sophia_infra.lambda_cloud import FileSystemMount, InvalidSpec, LambdaCloud, LaunchRequest
from tests.unit.lambda_cloud.document import declared_operations, faults
from tests.unit.lambda_cloud.every_call import LAUNCH
from tests.unit.lambda_cloud.service import ScriptedService

# The machine that runs this may be busy: what an example takes says nothing.
patient = settings(deadline=None)

LEAST: dict[str, Any] = {
    "region_name": "us-east-3",
    "instance_type_name": "gpu_1x_gh200",
    "ssh_key_names": ["ops"],
}


def test_the_whole_request_is_as_the_document_declares_it() -> None:
    schema = declared_operations()["launchInstance"].request_schema
    assert faults(schema, LAUNCH.build()) == []
    assert set(LAUNCH.build()) == set(schema["properties"])


def test_what_was_not_asked_for_is_left_out() -> None:
    assert LaunchRequest(**LEAST).build() == LEAST


def test_an_image_is_named_by_id_or_by_family() -> None:
    assert LaunchRequest(**LEAST, image_id="7").build()["image"] == {"id": "7"}
    assert LaunchRequest(**LEAST, image_family="f").build()["image"] == {"family": "f"}


def test_an_empty_name_is_sent_for_it_is_allowed() -> None:
    assert LaunchRequest(**LEAST, name="").build()["name"] == ""


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("region_name", "", "region_name is 0 characters long"),
        ("instance_type_name", "", "instance_type_name is 0 characters long"),
        ("region_name", None, "region_name must be a string"),
        ("ssh_key_names", [], "exactly one name"),
        ("ssh_key_names", ["a", "b"], "exactly one name"),
        ("ssh_key_names", "a", "exactly one name"),
        ("ssh_key_names", [""], "exactly one name"),
        ("name", "n" * 65, "name is 65 characters long; 0 to 64 are allowed"),
        ("hostname", "", "hostname is 0 characters long"),
        ("hostname", "h" * 64, "hostname is 64 characters long"),
        ("hostname", "-a", "hostname is '-a'; it must match"),
        ("hostname", "Node", "hostname is 'Node'; it must match"),
        ("hostname", "node\n", "it must match"),
        ("user_data", "ü" * 500_001, "user_data has 1000002 bytes; 1000000 are allowed"),
        ("tags", {"a": "x"}, "tag key is 1 characters long"),
        ("tags", {"Team": "x"}, "tag key is 'Team'"),
        ("tags", {"team_a": "x"}, "tag key is 'team_a'"),
        ("tags", {"k" * 56: "x"}, "tag key is 56 characters long"),
        ("tags", {"team": "x" * 129}, "value of tag team is 129 characters long"),
        ("tags", {"team": 7}, "value of tag team must be a string, not int"),
        ("file_system_mounts", [FileSystemMount("/mnt/x", "1")], "mount_point is '/mnt/x'"),
        ("file_system_mounts", [FileSystemMount("/data/" + "x" * 256, "1")], "mount_point is 262"),
        ("file_system_names", "models", "file_system_names must be a list"),
        ("firewall_ruleset_ids", [""], "no id may be empty"),
    ],
)
def test_a_field_beyond_its_limit_is_refused_with_the_limit(field: str, value: Any, complaint: str) -> None:
    with pytest.raises(InvalidSpec, match=complaint) as caught:
        LaunchRequest(**{**LEAST, field: value})
    assert caught.value.attempts == 0
    assert not caught.value.may_have_happened


def test_two_images_are_refused() -> None:
    with pytest.raises(InvalidSpec, match="one of them"):
        LaunchRequest(**LEAST, image_id="7", image_family="f")


@patient
@given(
    hostname=st.none() | st.text("aB1-.\n", max_size=66),
    name=st.none() | st.text(max_size=66),
    tags=st.dictionaries(st.text("aZ9-:_", max_size=57), st.text(max_size=3), max_size=3),
    mount=st.builds(
        lambda root, rest: root + rest, st.sampled_from(["/home", "/data", "/mnt"]), st.text("aZ/_.-")
    ),
)
def test_the_client_refuses_what_the_document_refuses_and_nothing_else(
    hostname: str | None, name: str | None, tags: dict[str, str], mount: str
) -> None:
    body: dict[str, Any] = {
        **LEAST,
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
        "file_system_mounts": [{"mount_point": mount, "file_system_id": "1"}],
    }
    body |= {key: value for key, value in (("hostname", hostname), ("name", name)) if value is not None}
    allowed = not faults(declared_operations()["launchInstance"].request_schema, body)
    try:
        LaunchRequest(
            **LEAST, hostname=hostname, name=name, tags=tags, file_system_mounts=[FileSystemMount(mount, "1")]
        )
    except InvalidSpec:
        assert not allowed
    else:
        assert allowed


@pytest.mark.parametrize("ids", [[], "5b1c0d9e", [""], ["a", None]])
def test_a_list_of_ids_that_is_none_is_refused_before_anything_is_sent(
    cloud: LambdaCloud, service: ScriptedService, ids: Any
) -> None:
    for call in (cloud.terminate_instances, cloud.restart_instances):
        with pytest.raises(InvalidSpec, match="list of at least one id"):
            call(ids)
    assert service.asked == []


def test_nothing_is_sent_for_other_values_beyond_their_limits(
    cloud: LambdaCloud, service: ScriptedService
) -> None:
    for call in (
        lambda: cloud.rename_instance("1", "n" * 65),
        lambda: cloud.add_ssh_key(""),
        lambda: cloud.add_ssh_key("n" * 65),
        lambda: cloud.add_ssh_key("ops", ""),
        lambda: cloud.add_ssh_key("ops", "k" * 4097),
        lambda: cloud.create_filesystem("9lives", "r"),
        lambda: cloud.create_filesystem("a" * 61, "r"),
        lambda: cloud.create_firewall_ruleset("n" * 65, "r", []),
        lambda: cloud.update_firewall_ruleset("1"),
        lambda: cloud.create_fabric_partition("Training", "r"),
        lambda: cloud.update_fabric_partition("1", ""),
        lambda: cloud.create_ticket("s", "d", type="incident"),
        lambda: cloud.create_ticket("s", "d", type="service_request", severity="sev_1"),
        lambda: cloud.create_ticket("s", "d", type="wish"),
        lambda: cloud.update_ticket("1"),
        lambda: cloud.update_ticket("1", severity="sev_9"),
        lambda: cloud.list_tickets(statuses=["closed"]),
        lambda: cloud.list_tickets(direction="up"),
        lambda: cloud.list_attachments("1", status="lost"),
        lambda: cloud.initiate_attachment_upload("1", "f", "text/plain", 0),
        lambda: cloud.initiate_attachment_upload("1", "f" * 256, "text/plain", 1),
    ):
        with pytest.raises(InvalidSpec):
            call()
    assert service.asked == []
