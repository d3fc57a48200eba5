"""Sets: what a crash leaves never looks whole, and what is damaged or foreign is refused with words."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.backup.creating import PlannedPart
from sophia_infra.backup.errors import (
    BackupError,
    DatabaseFailed,
    KeyRefused,
    SetDamaged,
    SetForeign,
    SetMissing,
    StoreUnavailable,
)
from sophia_infra.backup.sets import BackupSets
from sophia_infra.backup.stores import FolderStore
from sophia_infra.backup.verifying import verify_set
from tests.unit.backup.material import (
    KEY,
    NOON,
    OTHER_KEY,
    STACK,
    breaking,
    make_set,
    part_file,
    sets_in,
    text_part,
)

CHECKOUT = Path(__file__).resolve().parents[3]


def test_the_newest_set_is_the_latest_and_reads_back(tmp_path: Path) -> None:
    sets = sets_in(tmp_path)
    make_set(sets.store, at=NOON - timedelta(hours=1))
    newest = make_set(sets.store, [text_part("images", "[1]")])
    opened = sets.open("latest", KEY)
    assert opened == newest
    (part,) = opened.parts
    assert b"".join(sets.read(opened, part, KEY)) == b"[1]"
    assert [one.made_at for one in sets.listing().sets] == [
        "2026-08-20T12:00:00+00:00",
        "2026-08-20T11:00:00+00:00",
    ]


def test_what_lies_there_is_sealed_and_ours_alone(tmp_path: Path) -> None:
    made = make_set(FolderStore(tmp_path), [text_part("images", "readable text")])
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(path.name for path in files) == ["images", "manifest.json"]
    assert not any(b"readable" in path.read_bytes() for path in files)
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert part_file(tmp_path, made, ".").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("error", [lambda: DatabaseFailed("no", next_step="x"), KeyboardInterrupt])
def test_a_set_that_was_interrupted_is_not_listed_as_one(
    tmp_path: Path, error: Callable[[], Exception]
) -> None:
    sets = sets_in(tmp_path)
    whole = make_set(sets.store, at=NOON - timedelta(hours=1))
    broken = PlannedPart("database-x", "database", lambda: breaking(b"half", error))
    with pytest.raises((DatabaseFailed, KeyboardInterrupt)):
        make_set(sets.store, [text_part("images", "[]"), broken])
    listing = sets.listing()
    assert [one.set_id for one in listing.sets] == [whole.set_id]
    assert len(listing.unfinished) == 1
    assert sets.open("latest", KEY).set_id == whole.set_id
    assert not list(tmp_path.rglob("database-x")), "a part that was cut off is not there at all"
    (unfinished,) = listing.unfinished
    with pytest.raises(SetMissing, match="no whole set"):
        sets.open(unfinished, KEY)


DYING = """
import os, sys
from pathlib import Path
from sophia_infra.backup.creating import PlannedPart
from sophia_infra.backup.stores import FolderStore
from tests.unit.backup.material import make_set, text_part

def dies():
    yield b"half"
    os._exit(9)

make_set(FolderStore(Path(sys.argv[1])), [text_part("images", "[]"), PlannedPart("state", "state", dies)])
"""


def test_a_process_that_is_killed_leaves_what_prune_can_take_away(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", DYING, str(tmp_path)], cwd=CHECKOUT, check=False)
    assert killed.returncode == 9
    sets = sets_in(tmp_path)
    listing = sets.listing()
    assert (listing.sets, listing.unreadable) == ((), {})
    (unfinished,) = listing.unfinished
    sets.remove(unfinished)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_store_that_holds_none_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SetMissing, match="sophia backup create --stack staging"):
        sets_in(tmp_path).open("latest", KEY)
    with pytest.raises(SetMissing):
        sets_in(tmp_path).open("../../etc", KEY)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [flip, lambda path: path.write_bytes(path.read_bytes()[:-1]), Path.unlink])
def test_a_damaged_part_is_found_named_and_not_given(tmp_path: Path, harm: Callable[[Path], Any]) -> None:
    sets = sets_in(tmp_path)
    made = make_set(sets.store)
    assert sets.is_good(made)
    harm(part_file(tmp_path, made, "state"))
    assert not sets.is_good(made)
    verdicts = verify_set(sets, made, KEY, tmp_path)
    assert [(verdict.part.name, bool(verdict.problem)) for verdict in verdicts] == [
        ("images", False),
        ("state", True),
    ]
    state = made.part("state")
    assert state is not None
    with pytest.raises(SetDamaged):
        b"".join(sets.read(made, state, KEY))


def edit_manifest(folder: Path, sets: BackupSets, **changes: Any) -> str:
    made = make_set(sets.store)
    path = part_file(folder, made, "manifest.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return made.set_id


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"notes": ["nothing is missing"]}, SetDamaged, "was changed since it was written"),
        ({"made_at": "2026-08-21T12:00:00+00:00"}, SetDamaged, "was changed since"),
        ({"parts": []}, SetDamaged, "was changed since"),
        ({"parts": [{"name": "../../x"}]}, SetDamaged, "cannot be read"),
        ({"stack": "production"}, SetForeign, "of stack production"),
        ({"format": 0}, SetForeign, "has format 0; this version reads format 1"),
        ({"format": 2}, SetForeign, "restore it with the version of sophia that is named"),
        ({"key_id": "0" * 12}, KeyRefused, "was sealed with key 000000000000"),
    ],
)
def test_a_manifest_that_was_changed_or_is_foreign_is_refused(
    tmp_path: Path, changes: dict[str, Any], error: type[BackupError], words: str
) -> None:
    sets = sets_in(tmp_path)
    set_id = edit_manifest(tmp_path, sets, **changes)
    with pytest.raises(error, match=words):
        sets.open(set_id, KEY)


def test_a_set_that_was_moved_from_another_stack_is_refused(tmp_path: Path) -> None:
    sets = sets_in(tmp_path)
    other = make_set(sets.store, stack="production")
    (tmp_path / "production").rename(tmp_path / STACK)
    with pytest.raises(SetForeign, match="of stack production"):
        sets.open(other.set_id, KEY)
    assert list(sets.listing().unreadable) == [other.set_id]


def test_another_key_is_refused_with_both_names(tmp_path: Path) -> None:
    sets = sets_in(tmp_path)
    make_set(sets.store)
    with pytest.raises(KeyRefused, match=f"key {KEY.id}, and the key given is {OTHER_KEY.id}"):
        sets.open("latest", OTHER_KEY)


def test_removing_takes_the_manifest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = sets_in(tmp_path)
    made = make_set(sets.store)

    def dies(folder: str) -> None:
        raise StoreUnavailable("gone", next_step="x")

    monkeypatch.setattr(sets.store, "delete_folder", dies)
    with pytest.raises(StoreUnavailable):
        sets.remove(made.set_id)
    assert sets.listing().sets == ()
    assert list(sets.listing().unfinished) == [made.set_id]
