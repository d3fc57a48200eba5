from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sophia_infra.engine import Home, StackLocked, lock_holders, prepare_stack, run_operation, unlock_if_dead
from tests.unit.engine.fakes import FakePulumi, write_lock

LATER = "2199-01-01T00:00:00.123456789Z"
LONG_AGO = "2001-01-01T00:00:00+01:00"
LOCK_TEXT = (
    "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or "
    "delete the lock file with `pulumi cancel`."
)


@pytest.fixture
def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_holder_that_runs_is_alive(home: Home, pulumi: FakePulumi) -> None:
    write_lock(home, os.getpid(), at=LATER)
    (holder,) = lock_holders(pulumi.engine, "local", home)
    assert (holder.pid, holder.user, holder.alive, holder.since.year) == (os.getpid(), "ann", True, 2199)
    assert "which still runs" in str(holder)


def test_a_holder_that_ended_is_dead(home: Home, pulumi: FakePulumi, dead_pid: int) -> None:
    write_lock(home, dead_pid, at=LATER)
    (holder,) = lock_holders(pulumi.engine, "local", home)
    assert holder.alive is False


@pytest.mark.skipif(sys.platform != "linux", reason="start times come from /proc")
def test_a_process_that_began_after_the_lock_is_another_one(home: Home, pulumi: FakePulumi) -> None:
    write_lock(home, os.getpid(), at=LONG_AGO)
    (holder,) = lock_holders(pulumi.engine, "local", home)
    assert holder.alive is False


def test_a_holder_on_another_host_is_unknown(home: Home, pulumi: FakePulumi, dead_pid: int) -> None:
    write_lock(home, dead_pid, at=LATER, host="elsewhere")
    (holder,) = lock_holders(pulumi.engine, "local", home)
    assert holder.alive is None


@pytest.mark.parametrize("text", ["", "{", "{}", '{"pid": "x"}', "[]"])
def test_a_lock_that_cannot_be_read_is_left_out(home: Home, pulumi: FakePulumi, text: str) -> None:
    write_lock(home, 1, at=LATER).write_text(text)
    assert lock_holders(pulumi.engine, "local", home) == ()


def test_dead_locks_are_taken_away_by_the_engine(home: Home, pulumi: FakePulumi, dead_pid: int) -> None:
    engine = pulumi.does("")
    write_lock(home, dead_pid, at=LATER)
    (removed,) = unlock_if_dead(engine, "local", home)
    assert removed.pid == dead_pid
    assert pulumi.calls[0]["arguments"][:4] == ["cancel", "--yes", "--stack", "local"]


def test_without_a_lock_nothing_is_called(home: Home, pulumi: FakePulumi) -> None:
    assert unlock_if_dead(pulumi.does(""), "local", home) == ()
    assert pulumi.calls == []


@pytest.mark.parametrize("host", ["", "elsewhere"])
def test_one_holder_that_may_live_keeps_all_locks(
    home: Home, pulumi: FakePulumi, dead_pid: int, host: str
) -> None:
    engine = pulumi.does("")
    write_lock(home, dead_pid, at=LATER, name="dead")
    write_lock(home, os.getpid(), at=LATER, name="other", host=host)
    with pytest.raises(StackLocked) as refused:
        unlock_if_dead(engine, "local", home)
    assert len(refused.value.holders) == 2
    assert refused.value.retry
    assert pulumi.calls == []


def test_a_run_against_a_live_lock_says_who_holds_it_and_to_wait(home: Home, pulumi: FakePulumi) -> None:
    engine = pulumi.does(f"sys.exit({LOCK_TEXT!r})")
    write_lock(home, os.getpid(), at=LATER)
    with pytest.raises(StackLocked) as refused:
        run_operation(engine, "up", prepare_stack("local", home), home)
    assert f"process {os.getpid()} of ann" in str(refused.value)
    assert "Nothing was touched. Wait until it ends" in str(refused.value)


def test_a_run_against_a_dead_lock_says_how_to_unlock(home: Home, pulumi: FakePulumi, dead_pid: int) -> None:
    engine = pulumi.does(f"sys.exit({LOCK_TEXT!r})")
    write_lock(home, dead_pid, at=LATER)
    with pytest.raises(StackLocked, match="`sophia up` takes its lock away") as refused:
        run_operation(engine, "up", prepare_stack("local", home), home)
    assert not refused.value.retry
