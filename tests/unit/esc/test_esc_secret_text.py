"""A secret shows in nothing but `reveal`, and a checksum tells nothing of it."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from sophia_infra.esc import OpenedEnvironment, PathMissing, SecretText, UnexpectedAnswer
from sophia_infra.esc.opened import CHECKSUM_KEY_PATH, leaves_of
from tests.unit.esc.esc_values import PASSWORD


def test_no_way_of_printing_shows_it() -> None:
    secret = SecretText(PASSWORD)
    shown = f"{secret} {secret!r} {secret!s} {secret:>30} {[secret]} { ({'a': secret}) }"
    assert PASSWORD not in shown
    assert shown.count("(secret)") == 6
    attempts: list[Callable[[Any], object]] = [json.dumps, pickle.dumps, hash, copy.deepcopy, "".join]
    for attempt in attempts:
        with pytest.raises(TypeError):
            attempt(secret)


def test_secrets_compare_by_value_and_never_with_text() -> None:
    assert SecretText("a") == SecretText("a")
    assert SecretText("a") != SecretText("b")
    assert SecretText("a") != "a"


def opened(revision: int = 1, identity: str = "o/p/e", **values: str) -> OpenedEnvironment:
    secrets = {path.replace("__", "."): SecretText(value) for path, value in values.items()}
    return OpenedEnvironment(identity, revision, {**secrets, CHECKSUM_KEY_PATH: SecretText("key")})


def test_a_checksum_follows_the_values_it_names_and_nothing_else() -> None:
    before = opened(a="1", b="2", c="3")
    assert before.checksum(["a", "b"]) == before.checksum(["b", "a", "a", '["a"]'])
    assert before.checksum(["a", "b"]) == opened(revision=9, a="1", b="2", c="other").checksum(["a", "b"])
    others = [
        opened(a="1", b="x").checksum(["a", "b"]),
        opened(a="2", b="1").checksum(["a", "b"]),
        opened(a="12", b="").checksum(["a", "b"]),
        before.checksum(["a"]),
        opened(identity="o/p/f", a="1", b="2").checksum(["a", "b"]),
    ]
    assert len({before.checksum(["a", "b"]), *others}) == len(others) + 1
    with pytest.raises(PathMissing):
        before.checksum(["a", "z"])


def test_a_short_secret_cannot_be_guessed_from_its_checksum_without_the_key() -> None:
    pin = "0417"
    public = OpenedEnvironment("o/p/e", 1, {"pin": SecretText(pin), CHECKSUM_KEY_PATH: SecretText("k1")})
    seen = public.checksum(["pin"])
    guesses = {
        OpenedEnvironment(
            "o/p/e", 1, {"pin": SecretText(f"{n:04}"), CHECKSUM_KEY_PATH: SecretText("k2")}
        ).checksum(["pin"])
        for n in range(500)
    }
    assert seen not in guesses
    assert len(guesses) == 500


def test_without_a_key_the_checksum_is_as_stable_and_slower() -> None:
    bare = OpenedEnvironment("o/p/e", 1, {"a": SecretText("1")})
    assert bare.checksum(["a"]) == OpenedEnvironment("o/p/e", 2, {"a": SecretText("1")}).checksum(["a"])
    assert bare.checksum(["a"]) != opened(a="1").checksum(["a"])


def test_all_below_a_secret_is_secret_and_what_is_unknown_is_refused() -> None:
    inner = {"plain": {"value": 5}, "list": {"value": [{"value": True}]}}
    found = leaves_of({"whole": {"value": inner, "secret": True}, "other": {"value": inner}})
    assert found["whole.plain"] == SecretText("5")
    assert found["whole.list[0]"] == SecretText("true")
    assert (found["other.plain"], found["other.list[0]"]) == (5, True)
    for odd in ({"value": None, "unknown": True}, {"value": {"a": 5}}, 5, {"value": object()}):
        with pytest.raises(UnexpectedAnswer):
            leaves_of({"a": odd})


def test_importing_the_room_imports_no_sdk_and_no_network() -> None:
    heavy = "pulumi_esc_sdk pulumi requests urllib3 starlette cryptography"
    code = f"import sys, sophia_infra.esc; print([m for m in {heavy.split()} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
