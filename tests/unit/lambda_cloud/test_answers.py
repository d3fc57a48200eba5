"""What the typed answers make of what the service really sends."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest

from sophia_infra.lambda_cloud import (
    FirewallRule,
    Instance,
    InstanceTypeAnswer,
    InvalidSpec,
    LambdaCloud,
    SshKey,
    UnexpectedAnswer,
)
from tests.unit.lambda_cloud.document import document, example
from tests.unit.lambda_cloud.every_call import ID, LAUNCH
from tests.unit.lambda_cloud.service import ScriptedService, data


def instance(**changes: object) -> dict[str, Any]:
    return {**example(document()["components"]["schemas"]["Instance"]), **changes}


@pytest.mark.parametrize("nothing", [None, "", ...])
@pytest.mark.parametrize("field", ["ip", "private_ip", "name", "hostname", "jupyter_token", "jupyter_url"])
def test_absent_null_and_empty_are_the_same_nothing(field: str, nothing: object) -> None:
    row = instance(**{field: nothing})
    if nothing is ...:
        del row[field]
    assert getattr(Instance.parse(row), field) is None


@pytest.mark.parametrize("field", ["tags", "file_system_mounts", "firewall_rulesets"])
@pytest.mark.parametrize("nothing", [None, [], ...])
def test_an_absent_list_is_an_empty_one(field: str, nothing: object) -> None:
    row = instance(**{field: nothing})
    if nothing is ...:
        del row[field]
    parsed = Instance.parse(row)
    assert not {"firewall_rulesets": parsed.firewall_ruleset_ids}.get(field, getattr(parsed, field, ()))


def test_an_instance_is_read_whole() -> None:
    parsed = Instance.parse(
        instance(
            id=ID,
            status="contactable",
            ip="192.0.2.1",
            region={"name": "us-east-3", "description": "Washington DC"},
            tags=[{"key": "owner-id", "value": "stack-dev"}],
            firewall_rulesets=[{"id": "1"}],
            is_reserved=None,
            workspace_id="2",
        )
    )
    assert (parsed.id, parsed.status, parsed.ip, parsed.region) == (
        ID,
        "contactable",
        "192.0.2.1",
        "us-east-3",
    )
    assert parsed.tags == {"owner-id": "stack-dev"}
    assert parsed.firewall_ruleset_ids == ("1",)
    assert parsed.actions["terminate"].available is True


def test_a_price_is_a_decimal_and_the_architecture_may_be_missing() -> None:
    row = example(document()["components"]["schemas"]["InstanceType"])
    assert InstanceTypeAnswer.parse({**row, "price_cents_per_hour": 229}).usd_per_hour == Decimal("2.29")
    assert InstanceTypeAnswer.parse(row).architecture is None
    assert InstanceTypeAnswer.parse({**row, "architecture": "arm64"}).architecture == "arm64"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"id": 7}, "Instance.id is an integer in the answer, not a string"),
        ({"id": None}, "Instance.id is null in the answer, not a string"),
        ({"status": True}, "Instance.status is true or false in the answer"),
        ({"region": "us-east-3"}, "Instance.region is a string in the answer, not an object"),
        ({"ssh_key_names": ["a", 1]}, "Instance.ssh_key_names has an integer among its strings"),
        ({"ssh_key_names": [None]}, "Instance.ssh_key_names has null among its strings"),
        ({"file_system_names": {}}, "Instance.file_system_names is an object in the answer, not a list"),
        ({"actions": {"restart": 1.5}}, "Instance.actions is a number in the answer, not an object"),
    ],
)
def test_a_field_of_the_wrong_type_is_named_without_its_value(changes: Any, complaint: str) -> None:
    with pytest.raises(UnexpectedAnswer, match=complaint):
        Instance.parse(instance(**changes))


def test_true_is_no_number() -> None:
    row = example(document()["components"]["schemas"]["InstanceType"])
    with pytest.raises(UnexpectedAnswer, match="price_cents_per_hour is true or false"):
        InstanceTypeAnswer.parse({**row, "price_cents_per_hour": True})


@pytest.mark.parametrize("ids", [[], ["1", "2"], [""]])
def test_a_launch_that_is_answered_with_another_number_of_ids_names_them(
    cloud: LambdaCloud, service: ScriptedService, ids: list[str]
) -> None:
    service.script("POST /api/v1/instance-operations/launch", data({"instance_ids": ids}))
    with pytest.raises(UnexpectedAnswer) as caught:
        cloud.launch_instance(LAUNCH)
    assert caught.value.may_have_happened
    assert all(one in str(caught.value) for one in ids)


def test_instance_types_are_a_map_by_name_and_not_a_list(
    cloud: LambdaCloud, service: ScriptedService
) -> None:
    item = example(document()["components"]["schemas"]["InstanceTypesItem"])
    item["regions_with_capacity_available"] = [{"name": "us-east-3", "description": "x"}]
    service.script("GET /api/v1/instance-types", data({"gpu_1x_gh200": item}))
    assert cloud.list_instance_types()["gpu_1x_gh200"].regions_with_capacity == ("us-east-3",)
    service.script("GET /api/v1/instance-types", data([item]))
    with pytest.raises(UnexpectedAnswer, match="data is a list in the answer, not an object"):
        cloud.list_instance_types()


def test_a_generated_key_brings_its_private_half_once(cloud: LambdaCloud, service: ScriptedService) -> None:
    row = example(document()["components"]["schemas"]["GeneratedSSHKey"])
    service.script("POST /api/v1/ssh-keys", data(row))
    assert cloud.add_ssh_key("ops").private_key == row["private_key"]
    assert service.asked[0].body == {"name": "ops"}
    assert SshKey.parse({**row, "workspace_id": "w", "private_key": None}).private_key is None


def audit_event(number: int) -> dict[str, Any]:
    row = example(document()["components"]["schemas"]["AuditEvent"])
    return {**row, "event_id": str(number), "actor_lrn": None}


def test_pages_are_asked_for_only_when_they_are_reached(cloud: LambdaCloud, service: ScriptedService) -> None:
    service.script(
        "GET /api/v1/audit-events",
        data([audit_event(1), audit_event(2)], page_token="p2"),
        data([], page_token="p3"),
        data([audit_event(3)], page_token=None),
    )
    events = cloud.list_audit_events(resource_type="cloud")
    assert service.asked == []
    assert next(events).event_id == "1"
    assert len(service.asked) == 1
    assert [event.event_id for event in events] == ["2", "3"]
    assert [asked.query for asked in service.asked] == [
        {"resource_type": ["cloud"]},
        {"resource_type": ["cloud"], "page_token": ["p2"]},
        {"resource_type": ["cloud"], "page_token": ["p3"]},
    ]


@pytest.mark.parametrize("tokens", [["p", "p"], ["p", "q", "p"]])
def test_a_page_token_that_comes_again_ends_the_iteration_with_an_error(
    cloud: LambdaCloud, service: ScriptedService, tokens: list[str]
) -> None:
    service.script(
        "GET /api/v1/audit-events", *(data([audit_event(1)], page_token=token) for token in tokens)
    )
    with pytest.raises(UnexpectedAnswer, match="came twice"):
        list(islice(cloud.list_audit_events(), 10))
    assert len(service.asked) == len(tokens)


def test_tickets_have_their_page_token_inside_the_data(cloud: LambdaCloud, service: ScriptedService) -> None:
    ticket = example(document()["components"]["schemas"]["Ticket"])
    service.script(
        "GET /api/v1/tickets",
        data({"tickets": [ticket], "page_token": "p2"}),
        data({"tickets": [ticket], "page_token": None}),
    )
    assert len(list(cloud.list_tickets(statuses=["open", "pending"]))) == 2
    assert service.asked[1].query == {"status": ["open", "pending"], "page_token": ["p2"]}


def test_a_time_without_a_zone_is_refused_at_once(cloud: LambdaCloud) -> None:
    with pytest.raises(InvalidSpec, match="start is 2026-01-01T00:00:00, a time without a zone"):
        cloud.list_audit_events(start=datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_bare_address_is_the_network_of_that_one_address() -> None:
    rule = FirewallRule("tcp", "203.0.113.7", port_range=(22, 22))
    assert rule == FirewallRule("tcp", "203.0.113.7/32", port_range=(22, 22))


def test_a_rule_is_sent_as_it_is_read() -> None:
    rule = FirewallRule("tcp", "203.0.113.0/24", "office", (8000, 8100))
    assert FirewallRule.parse(rule.build()) == rule
    assert "port_range" not in FirewallRule("icmp", "0.0.0.0/0").build()


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        (FirewallRule("sctp", "0.0.0.0/0"), "allowed are tcp, udp, icmp, all"),
        (FirewallRule("tcp", "0.0.0.0/0"), "port_range is missing; tcp needs one"),
        (FirewallRule("all", "0.0.0.0/0"), "port_range is missing; all needs one"),
        (FirewallRule("icmp", "0.0.0.0/0", port_range=(1, 1)), "must be absent for icmp"),
        (FirewallRule("tcp", "0.0.0.0/0", port_range=(0, 1)), "allowed are 1 to 65535"),
        (FirewallRule("tcp", "0.0.0.0/0", port_range=(1, 65536)), "allowed are 1 to 65535"),
        (FirewallRule("tcp", "0.0.0.0/0", port_range=(9, 8)), "first before last"),
        (FirewallRule("tcp", "::/0", port_range=(1, 2)), "no IPv4 network"),
        (FirewallRule("tcp", "office", port_range=(1, 2)), "no IPv4 network"),
        (FirewallRule("tcp", "0.0.0.0/0", "d" * 129, (1, 2)), "129 characters long; 128 are allowed"),
    ],
)
def test_a_rule_that_the_api_would_refuse_is_not_sent(
    cloud: LambdaCloud, service: ScriptedService, rule: FirewallRule, complaint: str
) -> None:
    with pytest.raises(InvalidSpec, match=complaint):
        cloud.create_firewall_ruleset("web", "us-east-3", [rule])
    assert service.asked == []


@pytest.mark.parametrize(
    ("ports", "complaint"), [([1], "1 ports"), ([1, 2, 3], "3 ports"), ([1, "2"], "integers")]
)
def test_an_answer_with_an_odd_port_range_is_unexpected(ports: list[object], complaint: str) -> None:
    row = {"protocol": "tcp", "source_network": "0.0.0.0/0", "description": "", "port_range": ports}
    with pytest.raises(UnexpectedAnswer, match=complaint):
        FirewallRule.parse(row)
