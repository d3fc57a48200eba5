"""`sophia audit`: one timeline of all logs, and a check that names the file and the line."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from sophia_infra.audit import AuditLog, audit_log_of
from sophia_infra.cli.audit_timeline import parse_since
from sophia_infra.model.errors import Refused
from sophia_infra.operations.audit_log import AuditLog as SecretsLog
from sophia_infra.optimization.action_log import ActionLog
from tests.unit.cli.sophia_command import A10, Sophia

NOW = datetime(2026, 11, 24, 9, 30, 1, tzinfo=UTC)


@pytest.fixture
def sophia(tmp_path: Path) -> Sophia:
    sophia = Sophia(tmp_path / "project", tmp_path / "home")
    sophia.write_config({"a": A10})
    return sophia


def stack_log(sophia: Sophia, now: datetime = NOW) -> AuditLog:
    return AuditLog(audit_log_of(sophia.home, "local").path, who="anna@host", now=lambda: now)


def fill(sophia: Sophia) -> None:
    log = stack_log(sophia)
    log.record(action="up", subject="stack local", why="sophia up", usd_per_month_change=Decimal("1648.80"))
    log.record(action="down", subject="stack local", why="sophia down")
    secrets = SecretsLog(sophia.home / "audit" / "secrets.jsonl", who="ben@host", now=lambda: NOW)
    secrets.record("rotate", "o/p/e", ["a"], revision=4)
    advice = ActionLog(
        sophia.home / "optimization" / "local.jsonl", lambda: NOW.timestamp() + 60, who="carl@host"
    )
    advice.record(
        "intent",
        "a-1",
        recommendation="r-1",
        what="terminate",
        target="0920",
        subject="instance old",
        why="idle for 9 d",
        usd_per_month="928.80",
        before={},
    )
    advice.record("done", "a-1")


def test_all_logs_are_one_timeline(sophia: Sophia) -> None:
    fill(sophia)
    rows = sophia.run("audit", "list", "--json").json()["entries"]
    assert [(row["log"], row["action"], row["outcome"]) for row in rows] == [
        ("stack", "up", "done"),
        ("stack", "down", "done"),
        ("secrets", "secrets rotate", "done"),
        ("advice", "optimize terminate", "begun"),
        ("advice", "optimize terminate", "done"),
    ]
    assert [row["usd_per_month_change"] for row in rows] == ["1648.80", None, None, None, "-928.80"]
    assert rows[-1]["why"] == "idle for 9 d"
    table = sophia.run("audit", "list")
    assert table.code == 0
    assert "+$1,648.80" in table.out
    assert "carl@host" in table.out


def test_since_leaves_out_what_is_older(sophia: Sophia) -> None:
    fill(sophia)
    rows = sophia.run("audit", "list", "--since", "2026-11-24T09:31:00Z", "--json").json()["entries"]
    assert [row["log"] for row in rows] == ["advice", "advice"]


def test_nothing_recorded_is_said_and_no_fault(sophia: Sophia) -> None:
    empty = sophia.run("audit", "list")
    assert (empty.code, empty.out) == (0, "Nothing is recorded for stack local.\n")
    assert sophia.run("audit", "verify").code == 0


def test_a_changed_line_is_named_with_its_file(sophia: Sophia) -> None:
    fill(sophia)
    whole = sophia.run("audit", "verify", "--json")
    assert (whole.code, whole.json()["intact"]) == (0, True)
    path = audit_log_of(sophia.home, "local").path
    path.write_text(path.read_text().replace("1648.80", "16.80"))
    broken = sophia.run("audit", "verify")
    assert broken.code == 6
    assert f"broken: {path}: line 2 does not follow the line before it." in broken.out
    assert sophia.run("audit", "verify", "--json").json()["intact"] is False


def test_lines_taken_off_the_end_show_against_a_head_written_down(sophia: Sophia) -> None:
    fill(sophia)
    head = sophia.run("audit", "verify", "--json").json()["logs"][0]["head"]
    assert sophia.run("audit", "verify", "--head", head).code == 0
    path = audit_log_of(sophia.home, "local").path
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    cut = sophia.run("audit", "verify", "--head", head)
    assert cut.code == 6
    assert "lines were taken off the end" in cut.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "--stack", "locla"), "did you mean local?"),
        (("list", "--stack", "../../etc"), "there is no stack '../../etc'"),
        (("list", "--since", "yesterday"), "'yesterday' is no time"),
        (("verify", "--head", "abc"), "'abc' is no hash"),
    ],
)
def test_a_wrong_command_line_says_what_is_right(
    sophia: Sophia, arguments: tuple[str, ...], said: str
) -> None:
    wrong = sophia.run("audit", *arguments)
    assert wrong.code == 64
    assert said in wrong.said


def test_a_log_that_cannot_be_read_is_no_empty_one(sophia: Sophia) -> None:
    audit_log_of(sophia.home, "local").path.mkdir(parents=True)
    wrong = sophia.run("audit", "list")
    assert wrong.code == 1
    assert "cannot be read" in wrong.err


def test_times_are_read_as_people_write_them() -> None:
    assert parse_since("90m", NOW) == datetime(2026, 11, 24, 8, 0, 1, tzinfo=UTC)
    assert parse_since("2w", NOW) == datetime(2026, 11, 10, 9, 30, 1, tzinfo=UTC)
    assert parse_since("2026-11-01", NOW) == datetime(2026, 11, 1, tzinfo=UTC)
    assert parse_since("2026-11-01T10:00:00+02:00", NOW) == datetime(2026, 11, 1, 8, tzinfo=UTC)
    with pytest.raises(Refused):
        parse_since("0d", NOW)
