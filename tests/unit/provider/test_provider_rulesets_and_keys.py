"""Firewall rulesets and SSH keys: made, found again, changed, and deleted with what uses them gone."""

from __future__ import annotations

import pytest

from sophia_infra.lambda_cloud import InUse, InvalidSpec, Unreachable
from sophia_infra.provider.errors import NameTaken
from sophia_infra.provider.firewall_ruleset import FirewallRulesetKind
from sophia_infra.provider.instance import InstanceKind
from sophia_infra.provider.session import Waits
from sophia_infra.provider.ssh_key import SshKeyKind
from tests.unit.provider.stage import KEY_NAME, PUBLIC_KEY, Stage, props
from tests.unit.provider.stored_kinds import OTHER_KEY, SSH_RULE, keys, ruleset, rulesets

PING_RULE = {"protocol": "icmp", "source": "0.0.0.0/0"}


def test_a_ruleset_is_made_with_its_rules(stage: Stage) -> None:
    created = FirewallRulesetKind(stage.session()).create(ruleset(SSH_RULE, PING_RULE))
    [row] = stage.client().list_firewall_rulesets()
    assert row.id == created.id == created.outputs["firewall_ruleset_id"]
    assert [(rule.protocol, rule.port_range, rule.source_network) for rule in row.rules] == [
        ("tcp", (22, 22), "203.0.113.0/24"),
        ("icmp", None, "0.0.0.0/0"),
    ]


def test_rules_and_name_change_in_place_and_region_does_not(stage: Stage) -> None:
    created = FirewallRulesetKind(stage.session()).create(ruleset(SSH_RULE))
    kind, news = FirewallRulesetKind(stage.session()), ruleset(SSH_RULE, PING_RULE, name="www")
    diff = kind.diff(created.id, created.outputs, news)
    assert (diff.changes, diff.replaces) == (("name", "rules"), ())
    outputs = kind.update(created.id, created.outputs, news)
    assert outputs == {**news, "firewall_ruleset_id": created.id}
    [row] = rulesets(stage)
    assert (row["id"], row["name"], row["rule_count"]) == (created.id, "www", 2)
    moved = kind.diff(created.id, outputs, {**news, "region": "us-west-1"})
    assert moved.replaces == ("region",)


def test_a_ruleset_whose_answer_was_lost_is_found_by_name_and_region(stage: Stage) -> None:
    stage.fault("createFirewallRuleset", "after", "drop")
    with pytest.raises(Unreachable):
        FirewallRulesetKind(stage.session()).create(ruleset(SSH_RULE))
    created = FirewallRulesetKind(stage.session()).create(ruleset(SSH_RULE, PING_RULE))
    [row] = rulesets(stage)
    assert (row["id"], row["rule_count"]) == (created.id, 2)


def test_rules_changed_outside_are_drift_and_are_set_back(stage: Stage) -> None:
    created = FirewallRulesetKind(stage.session()).create(ruleset(SSH_RULE))
    assert FirewallRulesetKind(stage.session()).read(created.id, created.outputs).inputs is None
    stage.client().update_firewall_ruleset(created.id, rules=[])
    found = FirewallRulesetKind(stage.session()).read(created.id, created.outputs)
    assert found.inputs == ruleset()
    kind = FirewallRulesetKind(stage.session())
    assert kind.diff(created.id, found.outputs, ruleset(SSH_RULE)).changes == ("rules",)
    kind.update(created.id, found.outputs, ruleset(SSH_RULE))
    assert FirewallRulesetKind(stage.session()).read(created.id, created.outputs).inputs is None


def test_a_ruleset_in_use_is_deleted_once_its_machine_has_ended(stage: Stage) -> None:
    session = stage.session()
    created = FirewallRulesetKind(session).create(ruleset(SSH_RULE))
    machine = InstanceKind(session).create(props(firewall_ruleset_ids=[created.id]))
    stage.happens_outside(machine.id, "terminating")
    FirewallRulesetKind(stage.session()).delete(created.id, created.outputs)
    assert rulesets(stage) == []
    FirewallRulesetKind(stage.session()).delete(created.id, created.outputs)


def test_a_ruleset_that_is_gone_reads_as_gone(stage: Stage) -> None:
    assert FirewallRulesetKind(stage.session()).read("f" * 32, ruleset()).id is None


@pytest.mark.parametrize("missing", ["name", "region"])
def test_a_ruleset_without_name_or_region_is_named(stage: Stage, missing: str) -> None:
    checked = FirewallRulesetKind(stage.session()).check({}, {**ruleset(), missing: ""})
    assert checked.failures == ((missing, "is missing"),)


def test_a_key_is_registered_once(stage: Stage) -> None:
    news = {"name": "ours", "public_key": OTHER_KEY}
    created = SshKeyKind(stage.session()).create(news)
    again = SshKeyKind(stage.session()).create(news)
    assert again == created
    assert created.outputs == {**news, "ssh_key_id": created.id}
    assert keys(stage) == [KEY_NAME, "ours"]


@pytest.mark.parametrize("comment", ["", " another comment"])
def test_an_equal_key_is_taken_over_whatever_its_comment(stage: Stage, comment: str) -> None:
    same_key = " ".join(PUBLIC_KEY.split()[:2]) + comment
    SshKeyKind(stage.session()).create({"name": KEY_NAME, "public_key": same_key})
    assert keys(stage) == [KEY_NAME]


def test_another_key_of_that_name_is_refused_and_never_doubled(stage: Stage) -> None:
    """A launch that names an ambiguous key fails."""
    with pytest.raises(NameTaken, match="Nothing was made"):
        SshKeyKind(stage.session()).create({"name": KEY_NAME, "public_key": OTHER_KEY})
    assert keys(stage) == [KEY_NAME]


def test_a_key_whose_answer_was_lost_is_not_registered_twice(stage: Stage) -> None:
    stage.fault("addSSHKey", "after", "drop")
    news = {"name": "ours", "public_key": OTHER_KEY}
    with pytest.raises(Unreachable):
        SshKeyKind(stage.session()).create(news)
    SshKeyKind(stage.session()).create(news)
    assert keys(stage) == [KEY_NAME, "ours"]


def test_a_key_that_is_gone_reads_as_gone_and_its_delete_succeeds(stage: Stage) -> None:
    created = SshKeyKind(stage.session()).create({"name": "ours", "public_key": OTHER_KEY})
    SshKeyKind(stage.session()).delete(created.id, created.outputs)
    assert keys(stage) == [KEY_NAME]
    assert SshKeyKind(stage.session()).read(created.id, created.outputs).id is None
    SshKeyKind(stage.session()).delete(created.id, created.outputs)


def test_a_key_on_a_live_machine_is_not_deleted(stage: Stage) -> None:
    session = stage.session()
    created = SshKeyKind(session).create({"name": "ours", "public_key": OTHER_KEY})
    InstanceKind(session).create(props(ssh_key_name="ours"))
    with pytest.raises((InvalidSpec, InUse), match="in use"):
        SshKeyKind(stage.session(Waits(in_use_s=10))).delete(created.id, created.outputs)
    assert keys(stage) == [KEY_NAME, "ours"]


@pytest.mark.parametrize("change", [{"name": "new"}, {"public_key": OTHER_KEY}])
def test_a_key_can_only_be_replaced(stage: Stage, change: dict[str, str]) -> None:
    olds = {"name": "ours", "public_key": PUBLIC_KEY}
    diff = SshKeyKind(stage.session()).diff("id", olds, {**olds, **change})
    assert diff.replaces == tuple(change)
    assert diff.delete_before_replace is ("name" not in change)
