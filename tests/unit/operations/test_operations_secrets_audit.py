"""The audit log: who, what, when; in order under many writers; a changed line shows."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sophia_infra.operations.audit_log import AuditLog, AuditUnavailable, who_acts

NOW = datetime(2026, 11, 24, 9, 30, 1, tzinfo=UTC)


def log_in(folder: Path) -> AuditLog:
    return AuditLog(folder / "audit" / "secrets.jsonl", who="anna@host", now=lambda: NOW)


def three(folder: Path) -> AuditLog:
    log = log_in(folder)
    log.record("check", "o/p/e", ["a", "b"])
    log.record("rotate", "o/p/e", ["a"], revision=4)
    log.record("sync", "o/p/e", [], outcome="EscBusy")
    return log


def test_a_line_says_who_did_what_when_and_how_it_ended(tmp_path: Path) -> None:
    log = three(tmp_path)
    first, second, third = log.entries()
    assert (first.when, first.who, first.action, first.environment) == (
        "2026-11-24T09:30:01Z",
        "anna@host",
        "check",
        "o/p/e",
    )
    assert (second.paths, second.revision, second.outcome) == (("a",), 4, "ok")
    assert (third.revision, third.outcome) == (None, "EscBusy")
    assert log.verify() == []
    assert log.path.stat().st_mode & 0o777 == 0o600
    assert log.path.parent.stat().st_mode & 0o777 == 0o700


def test_an_empty_log_is_whole() -> None:
    log = AuditLog(Path("/nowhere/there/is/none.jsonl"))
    assert (log.entries(), log.verify()) == ([], [])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda lines: [lines[0].replace('"a"', '"z"'), *lines[1:]], "line 2 does not follow"),
        (lambda lines: [lines[0], lines[2]], "line 2 does not follow"),
        (lambda lines: [lines[1], lines[0], lines[2]], "line 1 does not follow"),
        (lambda lines: lines[1:], "line 1 does not follow"),
        (lambda lines: [*lines, "{}"], "line 4 is no entry"),
        (lambda lines: [*lines, lines[2]], "line 4 does not follow"),
        (lambda lines: [lines[0], lines[1].replace(": 4", ": 5"), lines[2]], "line 3 does not follow"),
    ],
)
def test_a_line_that_was_changed_moved_added_or_taken_out_shows(
    tmp_path: Path, change: object, problem: str
) -> None:
    log = three(tmp_path)
    lines = log.path.read_text().splitlines()
    log.path.write_text("\n".join(change(lines)) + "\n")  # type: ignore[operator]
    assert problem in " ".join(log.verify())


def test_after_a_torn_line_the_log_goes_on_and_the_tear_shows(tmp_path: Path) -> None:
    log = three(tmp_path)
    whole = log.path.read_text()
    log.path.write_text(whole + whole.splitlines()[0][:40])
    log.record("open", "o/p/e", [])
    log.record("open", "o/p/e", [])
    assert log.verify() == ["line 4 is no entry"]
    assert len(log.entries()) == 5


def test_many_writers_in_threads_and_processes_make_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit" / "secrets.jsonl"
    code = (
        "import sys; from pathlib import Path; from sophia_infra.operations.audit_log import AuditLog\n"
        "for n in range(20): AuditLog(Path(sys.argv[1]), who='p').record('open', 'o/p/e', [str(n) * 300])"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda n: AuditLog(path, who="t").record("open", "o/p/e", [str(n)]), range(40)):
            pass
    assert [process.wait(60) for process in processes] == [0, 0]
    log = AuditLog(path)
    assert log.verify() == []
    assert len(log.entries()) == 80


def test_a_log_that_cannot_be_written_says_so_and_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("a file in the way")
    with pytest.raises(AuditUnavailable, match=r"nothing was done\. Free the disk"):
        log_in(tmp_path).record("rotate", "o/p/e", ["a"])


def test_in_ci_the_actor_stands_before_the_machine() -> None:
    assert "@" in who_acts({})
    assert who_acts({"GITHUB_ACTOR": "octo"}).startswith("octo via ")


def test_long_lines_are_chained_too(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    for _ in range(3):
        log.record("check", "o/p/e", ["x" * 10_000])
    assert log.verify() == []
    assert json.loads(log.path.read_text().splitlines()[2])["paths"] == ["x" * 10_000]
