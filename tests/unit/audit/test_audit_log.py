"""The audit log of a stack: each change begun and ended on the disk, no secret in it, tampering shows."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.audit import AuditLog, AuditUnavailable, Outcome, audit_log_of
from sophia_infra.audit.chained_file import add_line, holds_line, last_hash

NOW = datetime(2026, 11, 24, 9, 30, 1, tzinfo=UTC)
TOKEN = "pul-0123456789abcdef"


def log_in(folder: Path, **environ: str) -> AuditLog:
    return AuditLog(folder / "audit" / "local.jsonl", who="anna@host", now=lambda: NOW, environ=environ)


def note(log: AuditLog, subject: str = "stack local", outcome: Outcome = "done") -> str:
    return log.record(action="up", subject=subject, why="sophia up", outcome=outcome)


def test_a_line_says_who_did_what_when_why_and_for_how_many_dollars(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.record(
        action="train run",
        subject="run 7",
        why="nightly",
        before={"machines": 0},
        after={"machines": 2},
        usd_per_month_change=Decimal("12.50"),
    )
    (entry,) = log.entries()
    assert (entry.when, entry.who, entry.action) == ("2026-11-24T09:30:01Z", "anna@host", "train run")
    assert (entry.before, entry.after) == ({"machines": 0}, {"machines": 2})
    assert entry.usd_per_month_change == Decimal("12.50")
    assert log.verify() == []
    assert log.path.stat().st_mode & 0o777 == 0o600
    assert log.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_change_is_on_the_disk_before_it_is_made_and_after(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    with log.change(action="up", subject="stack local", why="sophia up", before={"phase": 1}) as change:
        assert [entry.outcome for entry in log.entries()] == ["begun"]
        change.after = {"phase": 2}
        change.usd_per_month_change = Decimal(-3)
    begun, done = log.entries()
    assert (done.outcome, done.after, done.before) == ("done", {"phase": 2}, {"phase": 1})
    assert done.usd_per_month_change == Decimal(-3)
    assert begun.change == done.change


@pytest.mark.parametrize(
    ("error", "outcome"), [(ValueError("a secret text"), "failed"), (KeyboardInterrupt(), "interrupted")]
)
def test_how_a_change_ended_badly_is_recorded_without_the_text_of_the_error(
    tmp_path: Path, error: BaseException, outcome: str
) -> None:
    log = log_in(tmp_path)
    with pytest.raises(type(error)), log.change(action="up", subject="stack local", why="w"):
        raise error
    last = log.entries()[-1]
    assert (last.outcome, last.after) == (outcome, {"error": type(error).__name__})
    assert b"a secret text" not in log.path.read_bytes()


def test_what_cannot_be_recorded_is_not_done(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("a file where the folder should be")
    log = log_in(tmp_path)
    made = []
    change = log.change(action="up", subject="stack local", why="w")
    with pytest.raises(AuditUnavailable, match="nothing was done") as caught, change:
        made.append("changed")
    assert made == []
    assert "Next: free the disk" in str(caught.value)


def test_no_secret_gets_into_a_line(tmp_path: Path) -> None:
    log = log_in(tmp_path, PULUMI_ACCESS_TOKEN=TOKEN, SHORT_KEY="1")
    log.record(
        action="up",
        subject="stack local",
        why=f"sophia up --token {TOKEN}",
        before={"db_password": "hunter2", "secret_names": ["A", "B"], "nested": [{"api_key": "k"}]},
        after={"url": f"https://u:{TOKEN}@host/1"},
    )
    text = log.path.read_text()
    assert TOKEN not in text
    assert "hunter2" not in text
    (entry,) = log.entries()
    assert entry.before == {
        "db_password": "(not recorded)",
        "secret_names": ["A", "B"],
        "nested": [{"api_key": "(not recorded)"}],
    }


def test_the_callers_own_reason_comes_first(tmp_path: Path) -> None:
    log = log_in(tmp_path, SOPHIA_WHY="migration phase1, step up")
    note(log)
    assert log.entries()[0].why == "migration phase1, step up: sophia up"


def test_many_threads_and_processes_keep_one_chain(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from sophia_infra.audit import audit_log_of\n"
        "log = audit_log_of(Path(sys.argv[1]), 'local')\n"
        "[log.record(action='up', subject=str(i), why='w') for i in range(5)]"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) for _ in range(2)]
    log = audit_log_of(tmp_path, "local")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: note(log, str(number)), range(20)))
    assert [process.wait(30) for process in processes] == [0, 0]
    assert len(log.entries()) == 30
    assert log.verify() == []


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "log"
    add_line(file, "first")
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, text: write(descriptor, text[:3]))
    with pytest.raises(OSError, match="No space") as caught:
        add_line(file, "second")
    assert caught.value.errno == errno.ENOSPC
    assert file.read_bytes() == b"first\n"


def test_the_last_line_is_covered_by_the_head_that_was_written_down(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    note(log, "a")
    note(log, "b")
    head = last_hash(log.path)
    assert holds_line(log.path, head)
    log.path.write_bytes(log.path.read_bytes().splitlines(keepends=True)[0])
    assert log.verify() == []
    assert not holds_line(log.path, head)


Tampering = Callable[[list[bytes], int, st.DataObject], list[bytes]]


def edit(lines: list[bytes], at: int, data: st.DataObject) -> list[bytes]:
    place = data.draw(st.integers(0, len(lines[at]) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte not in (lines[at][place], 10, 13)))
    return [*lines[:at], lines[at][:place] + bytes([other]) + lines[at][place + 1 :], *lines[at + 1 :]]


def remove(lines: list[bytes], at: int, _data: st.DataObject) -> list[bytes]:
    return [*lines[:at], *lines[at + 1 :]]


def repeat(lines: list[bytes], at: int, _data: st.DataObject) -> list[bytes]:
    return [*lines[: at + 1], *lines[at:]]


def swap(lines: list[bytes], at: int, _data: st.DataObject) -> list[bytes]:
    return [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]


@given(
    subjects=st.lists(st.text(max_size=20), min_size=2, max_size=6),
    tamper=st.sampled_from([edit, remove, repeat, swap]),
    data=st.data(),
)
def test_whatever_is_done_to_a_line_before_the_last_is_found(
    tmp_path_factory: pytest.TempPathFactory, subjects: list[str], tamper: Tampering, data: st.DataObject
) -> None:
    log = log_in(tmp_path_factory.mktemp("log"))
    for subject in subjects:
        note(log, subject)
    lines = log.path.read_bytes().splitlines()
    assert log.verify() == []
    at = data.draw(st.integers(0, len(lines) - 2))
    log.path.write_bytes(b"\n".join(tamper(lines, at, data)) + b"\n")
    assert log.verify() != []
