"""`sophia backup` and `sophia adopt`, asked wrongly: an exit code, what to do next, and nothing changed.

Each case starts the real command (half a second). Asked rightly they need the engine: tests/engine.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sophia_infra.backup.stores import FolderStore
from sophia_infra.cli.exit_codes import ExitCode
from tests.unit.backup.material import KEY, OTHER_KEY, make_set
from tests.unit.cli.sophia_command import A10, Sophia

REAL_FLEET = {"a": {**A10, "adopt": {"name": "a"}}}


@pytest.fixture
def store(sophia: Sophia, tmp_path: Path) -> FolderStore:
    """Of a real stack `staging`, whose key is in the environment."""
    place = tmp_path / "copies"
    place.mkdir()
    sophia.write_config(
        REAL_FLEET, stack="staging", endpoint="lambda", ssh=None, backup={"store": str(place)}
    )
    sophia.environment["SOPHIA_BACKUP_KEY"] = base64.b64encode(KEY.secret).decode()
    return FolderStore(place)


def hours_ago(hours: float) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("adopt",), "say --all"),
        (("backup", "restore"), "say what: --to FOLDER"),
        (("backup", "restore", "--database", "books"), "--database and --url-env go together"),
        (("backup", "verify"), "holds no whole set of stack local"),
        (("backup", "restore", "20260820-101112-3fa9c1", "--state"), "holds no whole set '20260820-101112"),
    ],
)
def test_what_is_asked_wrongly_is_answered_with_what_to_say(
    sophia: Sophia, arguments: tuple[str, ...], says: str
) -> None:
    sophia.write_config({"front": A10})
    done = sophia.run(*arguments)
    assert done.code == ExitCode.USAGE, done.said
    assert says in done.said


def test_a_real_stack_without_a_place_or_a_key_is_not_copied(sophia: Sophia, tmp_path: Path) -> None:
    sophia.write_config(REAL_FLEET, stack="staging", endpoint="lambda", ssh=None)
    done = sophia.run("backup", "create", "--stack", "staging")
    assert done.code == ExitCode.USAGE
    assert "Pulumi.staging.yaml names no place for copies" in done.said
    place = tmp_path / "copies"
    sophia.write_config(
        REAL_FLEET, stack="staging", endpoint="lambda", ssh=None, backup={"store": str(place)}
    )
    done = sophia.run("backup", "create", "--stack", "staging")
    assert done.code == ExitCode.USAGE
    assert "sophia backup new-key FILE" in done.said
    assert not place.exists()


def test_a_key_is_made_once_and_named_without_being_shown(sophia: Sophia, tmp_path: Path) -> None:
    file = tmp_path / "key"
    made = sophia.run("backup", "new-key", str(file))
    assert made.code == ExitCode.OK, made.said
    assert file.read_text().strip() not in made.said
    again = sophia.run("backup", "new-key", str(file))
    assert again.code == ExitCode.USAGE
    assert "closed for ever" in again.said


def test_an_old_newest_set_is_a_red_gate(sophia: Sophia, store: FolderStore) -> None:
    made = make_set(store, at=hours_ago(5))
    listed = sophia.run("backup", "list", "--stack", "staging", "--json")
    assert listed.code == ExitCode.OK, listed.said
    document = json.loads(listed.out)
    assert [row["set"] for row in document["sets"]] == [made.set_id]
    assert 5 * 3600 <= document["newest_age_s"] < 5.1 * 3600
    for minutes, code in (("360", ExitCode.OK), ("240", ExitCode.FINDINGS)):
        gate = sophia.run("backup", "list", "--stack", "staging", "--max-age-minutes", minutes)
        assert gate.code == code, gate.said
    assert "at most 15 min may be lost" in gate.said


def test_a_set_of_another_key_or_stack_is_refused(sophia: Sophia, store: FolderStore, tmp_path: Path) -> None:
    make_set(store, at=hours_ago(1), key=OTHER_KEY)
    done = sophia.run("backup", "verify", "--stack", "staging")
    assert done.code == ExitCode.USAGE
    assert f"was sealed with key {OTHER_KEY.id}" in done.said
    foreign = make_set(store, stack="production")
    (tmp_path / "copies/production" / foreign.set_id).rename(tmp_path / "copies/staging" / foreign.set_id)
    done = sophia.run("backup", "restore", foreign.set_id, "--stack", "staging", "--state", "--yes")
    assert done.code == ExitCode.USAGE
    assert "of stack production" in done.said


def test_prune_only_says_what_until_it_is_told_to(sophia: Sophia, store: FolderStore) -> None:
    sets = [make_set(store, at=hours_ago(hours)) for hours in (0.5, 0.4, 0.3)]
    for arguments, left in (((), 3), (("--yes",), 1), (("--yes",), 1)):
        done = sophia.run("backup", "prune", "--stack", "staging", *arguments)
        assert done.code == ExitCode.OK, done.said
        listed = json.loads(sophia.run("backup", "list", "--stack", "staging", "--json").out)
        # Half an hour may lie across midnight: then two days have a set each.
        assert len(listed["sets"]) in (left, 2 if left == 1 else left)
        assert listed["sets"][0]["set"] == sets[-1].set_id


def test_a_filesystem_that_is_not_mounted_is_no_store_without_sets(
    sophia: Sophia, store: FolderStore, tmp_path: Path
) -> None:
    (tmp_path / "copies").rmdir()
    for arguments in (("list",), ("verify",), ("create",), ("prune", "--yes")):
        done = sophia.run("backup", *arguments, "--stack", "staging")
        if arguments != ("create",):
            assert done.code == ExitCode.CLOUD, done.said
            assert "mount the filesystem" in done.said
        assert not (tmp_path / "copies").exists(), "nothing is written to the disk below"
