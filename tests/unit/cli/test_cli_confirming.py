"""Nothing that costs money is done without somebody who agreed."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import cast

import pytest

from sophia_infra.cli.confirming import ask, is_agreed
from sophia_infra.cli.stack_context import StackContext

NOTHING = "Nothing was launched."


def context_of(endpoint: str) -> StackContext:
    return cast(StackContext, SimpleNamespace(config=SimpleNamespace(endpoint=endpoint)))


def type_in(monkeypatch: pytest.MonkeyPatch, text: str, *, terminal: bool = True) -> None:
    typed = io.StringIO(text)
    monkeypatch.setattr(typed, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stdin", typed)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False), ("yess\n", False), ("", False)],
)
def test_only_a_clear_yes_is_one_and_the_end_of_input_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, meant: bool
) -> None:
    type_in(monkeypatch, typed)
    assert ask("Launch it?", nothing=NOTHING) is meant
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "Launch it? [y/N] "), "standard output may be a machine's"


def test_where_nobody_can_answer_nothing_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, "y\n", terminal=False)
    assert ask("Launch it?", nothing=NOTHING) is None
    assert capsys.readouterr().err == f"sophia: nobody can confirm here: pass --yes. {NOTHING}\n"


@pytest.mark.parametrize(
    ("endpoint", "yes", "typed", "agreed"),
    [
        ("lambda", False, "n\n", False),
        ("lambda", False, "y\n", True),
        ("lambda", True, "n\n", True),
        ("emulator", False, "n\n", True),
    ],
)
def test_the_real_cloud_wants_an_answer_or_the_option(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, yes: bool, typed: str, agreed: bool
) -> None:
    type_in(monkeypatch, typed)
    assert is_agreed(context_of(endpoint), "Launch it?", yes=yes, nothing=NOTHING) is agreed
