"""Filesystems, firewall rulesets and SSH keys: found again by name, and nobody else's is ever deleted."""

from __future__ import annotations

from typing import Any

import pytest

from sophia_infra.lambda_cloud import Duplicate, InUse, InvalidSpec, QuotaExceeded, Unreachable
from sophia_infra.provider.errors import HeldByMachine, JournalUnwritable, NameTaken
from sophia_infra.provider.filesystem import FilesystemKind
from sophia_infra.provider.firewall_ruleset import FirewallRulesetKind
from sophia_infra.provider.instance import InstanceKind
from sophia_infra.provider.journal import Intent
from sophia_infra.provider.session import Waits
from sophia_infra.provider.ssh_key import SshKeyKind
from tests.unit.provider.stage import KEY_NAME, PUBLIC_KEY, STACK, Stage, props

OTHER_KEY = PUBLIC_KEY.replace("B" * 43, "C" * 43)
FILESYSTEM_KEY = f"filesystem/{STACK}/models"
SSH_RULE = {"protocol": "tcp", "ports": [22.0, 22.0], "source": "203.0.113.0/24", "description": "office"}
PING_RULE = {"protocol": "icmp", "source": "0.0.0.0/0"}


def filesystem(name: str = "models", region: str = "us-east-1") -> dict[str, Any]:
    return {"stack": STACK, "name": name, "region": region}


def ruleset(*rules: dict[str, Any], name: str = "web", region: str = "us-east-1") -> dict[str, Any]:
    return {"name": name, "region": region, "rules": list(rules)}


def filesystems(stage: Stage) -> list[str]:
    return [row["id"] for row in stage.cloud.dump()["filesystems"]]


def rulesets(stage: Stage) -> list[dict[str, Any]]:
    return list(stage.cloud.dump()["firewall_rulesets"])


def keys(stage: Stage) -> list[str]:
    return [row["name"] for row in stage.cloud.dump()["ssh_keys"]]


def made_by_another(stage: Stage, name: str = "models", region: str = "us-east-1") -> str:
    return stage.client().create_filesystem(name, region).id


# Filesystems


def test_a_filesystem_made_here_is_deleted_with_the_stack(stage: Stage) -> None:
    created = FilesystemKind(stage.session()).create(filesystem())
    assert created.outputs["was_there_before"] is False
    assert created.outputs["mount_point"] == "/lambda/nfs/models"
    assert filesystems(stage) == [created.id]
    FilesystemKind(stage.session()).delete(created.id, created.outputs)
    assert filesystems(stage) == []
    assert stage.session().journal.list() == []


def test_a_filesystem_that_was_there_is_taken_over_and_survives_the_stack(stage: Stage) -> None:
    foreign = made_by_another(stage)
    created = FilesystemKind(stage.session()).create(filesystem())
    assert (created.id, created.outputs["was_there_before"]) == (foreign, True)
    assert "destroy will not delete it" in stage.said[-1]
    FilesystemKind(stage.session()).delete(created.id, created.outputs)
    assert filesystems(stage) == [foreign]


def test_a_filesystem_elsewhere_of_that_name_is_refused(stage: Stage) -> None:
    made_by_another(stage, region="us-west-1")
    with pytest.raises(NameTaken, match="exists in us-west-1, not in us-east-1"):
        FilesystemKind(stage.session()).create(filesystem())
    assert stage.session().journal.list() == []


def test_a_filesystem_whose_answer_was_lost_is_ours_at_the_next_run(stage: Stage) -> None:
    stage.fault("createFilesystem", "after", "drop")
    with pytest.raises(Unreachable):
        FilesystemKind(stage.session()).create(filesystem())
    stage.clock.advance(100_000)
    created = FilesystemKind(stage.session()).create(filesystem())
    assert created.outputs["was_there_before"] is False
    assert filesystems(stage) == [created.id]


def test_a_filesystem_whose_state_was_lost_after_the_answer_is_still_ours(stage: Stage) -> None:
    first = FilesystemKind(stage.session()).create(filesystem())
    stage.clock.advance(100_000)
    again = FilesystemKind(stage.session()).create(filesystem())
    assert again == first


def test_a_refused_filesystem_leaves_no_claim_on_one_of_that_name(stage: Stage) -> None:
    stage.set(quota_filesystems=0)
    with pytest.raises(QuotaExceeded):
        FilesystemKind(stage.session()).create(filesystem())
    stage.set(quota_filesystems=None)
    made_by_another(stage)
    created = FilesystemKind(stage.session()).create(filesystem())
    assert created.outputs["was_there_before"] is True


@pytest.mark.parametrize("begun_ago_s", [-3600, 301, 86_400, float("-inf")])
def test_a_request_that_never_arrived_is_no_claim_on_what_another_made_since(
    stage: Stage, begun_ago_s: float
) -> None:
    session = stage.session()
    session.journal.write(Intent(FILESYSTEM_KEY, stage.clock.now() - begun_ago_s))
    made_by_another(stage)
    created = FilesystemKind(session).create(filesystem())
    assert created.outputs["was_there_before"] is True
    assert FilesystemKind(stage.session()).create(filesystem()).outputs["was_there_before"] is True


def test_an_answered_intent_is_no_claim_on_another_of_that_name(stage: Stage) -> None:
    """Ours was deleted in the console; then somebody made one of the same name."""
    created = FilesystemKind(stage.session()).create(filesystem())
    stage.client().delete_filesystem(created.id)
    foreign = made_by_another(stage)
    again = FilesystemKind(stage.session()).create(filesystem())
    assert (again.id, again.outputs["was_there_before"]) == (foreign, True)


def test_one_that_appears_between_list_and_create_is_another_s(stage: Stage) -> None:
    session = stage.session()
    session.filesystems.rows(0)
    foreign = made_by_another(stage)
    created = FilesystemKind(session).create(filesystem())
    assert (created.id, created.outputs["was_there_before"]) == (foreign, True)
    assert session.journal.list() == [], "and no later run believes otherwise"


def test_a_name_that_is_taken_and_never_listed_is_an_error(stage: Stage) -> None:
    stage.fault("createFilesystem", "before", "status", status=400, code="global/duplicate")
    with pytest.raises(Duplicate):
        FilesystemKind(stage.session()).create(filesystem())


def test_no_filesystem_is_made_when_the_journal_cannot_be_written(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = stage.session()

    def full(_: Intent) -> None:
        raise JournalUnwritable("full.", next_step="free space.")

    monkeypatch.setattr(session.journal, "write", full)
    with pytest.raises(JournalUnwritable):
        FilesystemKind(session).create(filesystem())
    assert filesystems(stage) == []


def test_a_filesystem_is_deleted_once_its_terminating_machine_has_ended(stage: Stage) -> None:
    session = stage.session()
    created = FilesystemKind(session).create(filesystem())
    machine = InstanceKind(session).create(props(filesystems=["models"]))
    stage.happens_outside(machine.id, "terminating")
    FilesystemKind(stage.session()).delete(created.id, created.outputs)
    assert filesystems(stage) == []
    assert stage.status(machine.id) == "terminated"


def test_a_filesystem_of_a_machine_that_stays_is_refused_at_once(stage: Stage) -> None:
    session = stage.session()
    created = FilesystemKind(session).create(filesystem())
    InstanceKind(session).create(props(filesystems=["models"]))
    began_s = stage.clock.now()
    with pytest.raises(HeldByMachine, match="core was launched with it, and nothing can be detached"):
        FilesystemKind(stage.session()).delete(created.id, created.outputs)
    assert stage.clock.now() - began_s < 10
    assert filesystems(stage) == [created.id]


def test_a_filesystem_in_use_by_what_is_ending_is_told_after_its_time(stage: Stage) -> None:
    created = FilesystemKind(stage.session()).create(filesystem())
    with stage.cloud.lock:
        stage.cloud.faults.add(
            "filesystemDelete",
            "before",
            "status",
            times=None,
            status=400,
            code="filesystems/filesystem-in-use",
        )
    began_s = stage.clock.now()
    with pytest.raises(InUse):
        FilesystemKind(stage.session(Waits(in_use_s=100))).delete(created.id, created.outputs)
    assert 100 <= stage.clock.now() - began_s <= 110


@pytest.mark.parametrize("change", [{"region": "us-west-1"}, {"name": "others"}])
def test_a_filesystem_can_only_be_replaced(stage: Stage, change: dict[str, str]) -> None:
    diff = FilesystemKind(stage.session()).diff("id", filesystem(), filesystem(**change))
    assert diff.replaces == tuple(change)
    assert diff.delete_before_replace is ("region" in change), "the name is unique in the account"


def test_a_filesystem_reads_as_gone_only_when_it_is(stage: Stage) -> None:
    created = FilesystemKind(stage.session()).create(filesystem())
    assert FilesystemKind(stage.session()).read(created.id, created.outputs).outputs == created.outputs
    stage.client().delete_filesystem(created.id)
    assert FilesystemKind(stage.session()).read(created.id, created.outputs).id is None
    FilesystemKind(stage.session()).delete(created.id, created.outputs)


# Firewall rulesets


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


# SSH keys


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


# A forced replacement of each: `pulumi up --replace` calls create and delete without a diff


def kind_and_props(stage: Stage, which: str) -> tuple[Any, dict[str, Any]]:
    session = stage.session()
    return {
        "filesystem": (FilesystemKind(session), filesystem()),
        "ruleset": (FirewallRulesetKind(session), ruleset(SSH_RULE)),
        "key": (SshKeyKind(session), {"name": "ours", "public_key": OTHER_KEY}),
    }[which]


def there(stage: Stage) -> tuple[list[str], list[str], list[str]]:
    return filesystems(stage), [row["id"] for row in rulesets(stage)], keys(stage)


@pytest.mark.parametrize("which", ["filesystem", "ruleset", "key"])
def test_a_forced_replacement_keeps_what_it_took_over(stage: Stage, which: str) -> None:
    first_kind, news = kind_and_props(stage, which)
    first = first_kind.create(news)
    before = there(stage)
    kind, _ = kind_and_props(stage, which)
    second = kind.create(news)
    kind.delete(first.id, first.outputs)
    assert second.id == first.id
    assert there(stage) == before
    assert "has just taken it over again" in stage.said[-1]


@pytest.mark.parametrize("which", ["filesystem", "ruleset", "key"])
def test_an_interrupted_forced_replacement_mends_itself(stage: Stage, which: str) -> None:
    """The state holds the same id as current and as one to delete."""
    first_kind, news = kind_and_props(stage, which)
    created = first_kind.create(news)
    before = there(stage)
    kind, _ = kind_and_props(stage, which)
    assert kind.diff(created.id, created.outputs, news).changes == ()
    kind.delete(created.id, created.outputs)
    assert there(stage) == before
    assert "also keeps it" in stage.said[-1]


@pytest.mark.parametrize("which", ["filesystem", "ruleset", "key"])
def test_removed_from_the_program_it_is_deleted(stage: Stage, which: str) -> None:
    first_kind, news = kind_and_props(stage, which)
    created = first_kind.create(news)
    kind, _ = kind_and_props(stage, which)
    kind.delete(created.id, created.outputs)
    assert there(stage) == ([], [], [KEY_NAME])
