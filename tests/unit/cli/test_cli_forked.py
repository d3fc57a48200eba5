"""A forked command is as good as a started one: what it says, how it ends, what it leaves behind."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.command_server import Ended, run_command
from tests.unit.cli.sophia_command import Sophia


def started(sophia: Sophia, *arguments: str, given: str = "") -> Ended:
    done = subprocess.run(
        [sys.executable, "-m", "sophia_infra.cli", *arguments],
        cwd=sophia.home.parent,
        env=sophia.environment,
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def forked(sophia: Sophia, *arguments: str, given: str = "") -> Ended:
    return run_command(arguments, sophia.environment, sophia.home.parent, given=given)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("types", "--offline", "--json"),
        ("status",),
        ("status", "--stack", "../nowhere"),
        ("nothing-of-that-name",),
        ("down",),
    ],
    ids=" ".join,
)
def test_it_says_the_same_and_ends_the_same(stopped: Sophia, arguments: tuple[str, ...]) -> None:
    assert forked(stopped, *arguments) == started(stopped, *arguments)


def test_it_reads_what_it_is_given(stopped: Sophia) -> None:
    arguments = ("cost", "diff", "--from-json", "-")
    ended = forked(stopped, *arguments, given="no plan at all\n")
    assert ended.code != 0
    assert ended == started(stopped, *arguments, given="no plan at all\n")
    assert ended != forked(stopped, *arguments)


def test_two_runs_know_nothing_of_each_other(stopped: Sophia) -> None:
    stopped.write("config: {}\n", stack="wrong")
    assert forked(stopped, "status", "--stack", "wrong").code != 0
    before = forked(stopped, "types", "--offline")
    stopped.environment |= {"COLUMNS": "60", "NO_COLOR": "1"}
    assert forked(stopped, "--help") == started(stopped, "--help")
    del stopped.environment["COLUMNS"], stopped.environment["NO_COLOR"]
    assert forked(stopped, "types", "--offline") == before
