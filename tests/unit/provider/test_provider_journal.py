"""The journal survives what can happen to a file, and says so when it cannot be written."""

from __future__ import annotations

import errno
import math
import os
import threading
from pathlib import Path

import pytest

from sophia_infra.provider.errors import JournalUnwritable
from sophia_infra.provider.journal import Intent, Journal

INTENT = Intent("sophia-infra/test/core/g1-0123456789abcdef", 1_790_000_000.5, "a" * 32)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "launches")


def the_file(tmp_path: Path) -> Path:
    [path] = (tmp_path / "launches").iterdir()
    return path


def test_an_intent_is_found_again_by_another_process(journal: Journal, tmp_path: Path) -> None:
    journal.write(INTENT)
    again = Journal(tmp_path / "launches")
    assert again.find(INTENT.key) == INTENT
    assert again.list() == [INTENT]
    assert again.find("another key") is None


def test_a_folder_that_does_not_exist_is_an_empty_journal(journal: Journal) -> None:
    assert journal.list() == []
    assert journal.find("any") is None
    journal.forget("any")


def test_the_folder_is_readable_for_its_owner_alone(journal: Journal, tmp_path: Path) -> None:
    journal.write(INTENT)
    assert (tmp_path / "launches").stat().st_mode & 0o777 == 0o700
    assert the_file(tmp_path).stat().st_mode & 0o077 == 0


def test_a_later_intent_of_the_same_key_replaces_the_earlier(journal: Journal, tmp_path: Path) -> None:
    journal.write(Intent(INTENT.key, 1.0))
    journal.write(INTENT)
    assert journal.list() == [INTENT]
    assert the_file(tmp_path).name.endswith(".json")


def test_intents_are_listed_oldest_first(journal: Journal) -> None:
    for number in (3, 1, 2):
        journal.write(Intent(f"key-{number}", float(number)))
    assert [intent.key for intent in journal.list()] == ["key-1", "key-2", "key-3"]


def test_it_is_on_the_disk_before_it_takes_its_place(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        steps.append("fsync")
        fsync(descriptor)

    def noted_replace(path: Path, target: Path) -> Path:
        steps.append("replace")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    journal.write(INTENT)
    assert steps == ["fsync", "replace"]


@pytest.mark.parametrize("moment", ["mkstemp", "fsync", "replace"])
def test_a_write_that_fails_leaves_the_earlier_intent_whole_and_no_rest(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    earlier = Intent(INTENT.key, 1.0)
    journal.write(earlier)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = {"mkstemp": "tempfile.mkstemp", "fsync": "os.fsync", "replace": "pathlib.Path.replace"}[moment]
    with monkeypatch.context() as patched:
        patched.setattr(target, full)
        with pytest.raises(JournalUnwritable, match="No space left on device") as caught:
            journal.write(INTENT)
    assert caught.value.retry
    assert journal.find(INTENT.key) == earlier
    the_file(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"17",
        b"{}",
        b'{"key": "k", "begun_at_s": null, "resource_id": null}',
        b'{"key": "k", "begun_at_s": "soon", "resource_id": null}',
        b'{"key": "k", "begun_at_s": NaN, "resource_id": null}',
        b'{"key": "k", "begun_at_s": -Infinity, "resource_id": null}',
    ],
)
def test_a_corrupt_intent_counts_as_one_without_a_time(
    journal: Journal, tmp_path: Path, content: bytes
) -> None:
    journal.write(INTENT)
    the_file(tmp_path).write_bytes(content)
    assert journal.find(INTENT.key) == Intent(INTENT.key, math.inf)


def test_a_corrupt_intent_does_not_hide_the_others(journal: Journal, tmp_path: Path) -> None:
    journal.write(INTENT)
    (tmp_path / "launches" / "0.json").write_text("{")
    assert journal.list() == [INTENT]


def test_an_intent_that_cannot_be_read_counts_as_one_without_a_time(journal: Journal, tmp_path: Path) -> None:
    journal.write(INTENT)
    path = the_file(tmp_path)
    path.unlink()
    path.mkdir()
    assert journal.find(INTENT.key) == Intent(INTENT.key, math.inf)
    assert journal.list() == []
    journal.forget(INTENT.key)


def test_a_finished_machine_takes_its_intents_along(journal: Journal) -> None:
    journal.write(INTENT)
    journal.write(Intent("another", 1.0, "b" * 32))
    journal.write(Intent("unanswered", 2.0))
    journal.forget_id("a" * 32)
    assert [intent.key for intent in journal.list()] == ["another", "unanswered"]


def test_many_threads_write_whole_files(journal: Journal) -> None:
    def write(number: int) -> None:
        for moment in range(5):
            journal.write(Intent("one key", float(moment), str(number)))
            assert journal.find("one key") is not None
            assert math.isfinite(journal.list()[0].begun_at_s)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journal.list()) == 1
