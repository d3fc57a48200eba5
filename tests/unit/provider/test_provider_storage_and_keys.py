"""Filesystems: ours and others', their intents, what is deleted when; a forced replacement of each kind."""

from __future__ import annotations

from typing import Any

import pytest

from sophia_infra.lambda_cloud import Duplicate, InUse, QuotaExceeded, Unreachable
from sophia_infra.provider.errors import HeldByMachine, JournalUnwritable, NameTaken
from sophia_infra.provider.filesystem import FilesystemKind
from sophia_infra.provider.firewall_ruleset import FirewallRulesetKind
from sophia_infra.provider.instance import InstanceKind
from sophia_infra.provider.journal import Intent
from sophia_infra.provider.session import Waits
from sophia_infra.provider.ssh_key import SshKeyKind
from tests.unit.provider.stage import KEY_NAME, STACK, Stage, props
from tests.unit.provider.stored_kinds import OTHER_KEY, SSH_RULE, keys, ruleset, rulesets

FILESYSTEM_KEY = f"filesystem/{STACK}/models"


def filesystem(name: str = "models", region: str = "us-east-1") -> dict[str, Any]:
    return {"stack": STACK, "name": name, "region": region}


def filesystems(stage: Stage) -> list[str]:
    return [row["id"] for row in stage.cloud.dump()["filesystems"]]


def made_by_another(stage: Stage, name: str = "models", region: str = "us-east-1") -> str:
    return stage.client().create_filesystem(name, region).id


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
