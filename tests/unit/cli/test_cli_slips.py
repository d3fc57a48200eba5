"""Small slips on the command line: each is refused before anything is asked, with the way out."""

from __future__ import annotations

import errno
import os
import shutil

import pytest

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.failures import reporting_failures
from tests.unit.cli.sophia_command import CHECKOUT, Sophia

SLIPS = {
    "an interval that is no number": (
        ("monitor", "--once", "--interval", "nan"),
        ("--interval", "nan is not a number"),
    ),
    "hours that are no number": (("inference", "break-even", "--hours", "nan"), ("--hours", "nan")),
    "seconds that are no number": (("secrets", "sync", "--wait", "nan"), ("--wait", "nan")),
    "speed without end": (("inference", "break-even", "--tokens-per-s", "inf"), ("--tokens-per-s", "inf")),
    "a time that ends before it begins": (
        ("inference", "usage", "--since", "2027-01-02", "--until", "2027-01-01"),
        ("--until", "is not after --since"),
    ),
    "a day without a day": (
        ("inference", "usage", "--since", "2027-01-02", "--until", "2027-01-02"),
        ("--until", "is not after --since"),
    ),
    "two documents at once": (("preview", "--json", "--markdown"), ("--markdown", "ask for one")),
    "two documents of a diff": (
        ("cost", "diff", "--from-json", "-", "--json", "--markdown"),
        ("--markdown", "ask for one"),
    ),
    "a policy pack that is not there": (("up", "--policy-pack", "/nowhere"), ("--policy-pack", "/nowhere")),
    "its configuration that is not there": (
        ("preview", "--policy-pack", ".", "--policy-pack-config", "/nowhere"),
        ("--policy-pack-config", "/nowhere"),
    ),
    "settings that are not there": (("optimize", "--settings", "/nowhere"), ("--settings", "/nowhere")),
    "a key for a folder that is not there": (
        ("backup", "new-key", "/nowhere/key"),
        ("no folder /nowhere", "make it first"),
    ),
    "a phase that does not exist": (("migrate", "undo", "phase9"), ("did you mean phase3? Next:",)),
}


@pytest.mark.parametrize(("arguments", "says"), SLIPS.values(), ids=SLIPS)
def test_a_slip_is_refused_with_the_way_out(
    stopped: Sophia, arguments: tuple[str, ...], says: tuple[str, ...]
) -> None:
    done = stopped.run(*arguments)
    assert done.code == ExitCode.USAGE
    assert done.out == ""
    for part in says:
        assert part in done.said


def test_a_command_is_suggested_once(stopped: Sophia) -> None:
    for arguments in (("stauts",), ("audit", "lst")):
        assert stopped.run(*arguments).said.count("Did you mean") == 1


def test_the_version_is_the_answer_to_the_question_for_it(stopped: Sophia) -> None:
    done = stopped.run("--version")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("sophia 0.")


def test_a_command_that_reads_its_own_arguments_is_named_as_it_was_typed(stopped: Sophia) -> None:
    done = stopped.run("images")
    assert done.code == ExitCode.USAGE
    assert "usage: sophia images" in done.said


def test_a_cutover_of_a_service_that_is_not_there_is_refused_when_dry_too(sophia: Sophia) -> None:
    for name in ("Pulumi.local.yaml", "workloads.yaml"):
        shutil.copy(CHECKOUT / name, sophia.project)
    done = sophia.run("cutover", "run", "nothing-of-this-name", "--dry-run")
    assert done.code == ExitCode.USAGE
    assert "nothing-of-this-name is no service of the Swarm stack. Next: name one of" in done.said


@pytest.mark.parametrize("kind", ["folder", "device", "long"])
def test_a_stack_file_that_cannot_be_read_is_said_and_not_waited_for(stopped: Sophia, kind: str) -> None:
    file = stopped.project / "Pulumi.local.yaml"
    file.unlink()
    if kind == "folder":
        file.mkdir()
    elif kind == "device":
        file.symlink_to("/dev/zero")
    else:
        file.write_text("# nothing\n" * 200_000, encoding="utf-8")
    done = stopped.run("status")
    assert done.code == ExitCode.USAGE
    assert "Pulumi.local.yaml cannot be read: " in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EACCES, "/there/file: Permission denied. Next: let the user who runs sophia"),
        (errno.EROFS, "/there/file: Read-only file system. Next: let the user who runs sophia"),
        (errno.ENOSPC, "/there/file: No space left on device. Next: make room and run the same command"),
        (errno.EIO, "[Errno 5] Input/output error: '/there/file'"),
    ],
)
def test_what_the_system_refuses_is_said_with_the_way_out(
    capsys: pytest.CaptureFixture[str], number: int, says: str
) -> None:
    with pytest.raises(SystemExit) as ended, reporting_failures():
        raise OSError(number, os.strerror(number), "/there/file")
    assert ended.value.code == ExitCode.FAILED
    assert capsys.readouterr().err.startswith(f"sophia: {says}")
