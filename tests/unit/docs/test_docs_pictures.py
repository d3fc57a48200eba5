"""What tools/diagrams.py and tools/record_terminal.py draw."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.docs.pages import CHECKOUT


def test_a_terminal_is_drawn_as_the_command_left_it(tmp_path: Path) -> None:
    redrawing = "import sys, os; print('one\\033[1A\\r\\033[2Ktwo \\033[32mgreen\\033[0m', os.isatty(1))"
    picture = tmp_path / "picture.svg"
    drawn = _record(picture, sys.executable, "-c", redrawing)
    assert drawn.returncode == 0, drawn.stderr
    text = picture.read_text(encoding="utf-8").replace("&#160;", " ")
    assert "two " in text
    assert "green" in text
    assert "True" in text
    assert ">one" not in text


def test_words_can_be_replaced_in_the_picture(tmp_path: Path) -> None:
    picture = tmp_path / "picture.svg"
    _record(picture, "echo", "in /srv/somewhere", replace="/srv/somewhere=.sophia")
    text = picture.read_text(encoding="utf-8")
    assert "/srv/somewhere" not in text
    assert ".sophia" in text


def test_a_command_that_fails_leaves_no_picture_and_its_exit_code(tmp_path: Path) -> None:
    picture = tmp_path / "picture.svg"
    drawn = _record(picture, sys.executable, "-c", "print('broken'); raise SystemExit(5)")
    assert drawn.returncode == 5
    assert "broken" in drawn.stderr
    assert not picture.exists()


def _record(picture: Path, *command: str, replace: str | None = None) -> subprocess.CompletedProcess[str]:
    options = ["--replace", replace] if replace else []
    return subprocess.run(
        [sys.executable, "tools/record_terminal.py", str(picture), *options, "--", *command],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
