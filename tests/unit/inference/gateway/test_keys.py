"""Keys open the door for whom they were made, and the file may change under a running gateway."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from sophia_infra.inference.errors import KeyRefused
from sophia_infra.inference.gateway.errors import KeyFileRefused
from sophia_infra.inference.gateway.keys import KeyFile, hash_key, key_line, make_key, parse_keys

USERS = {"backend": None, "data-team": None}


def key_file(folder: Path, *lines: str) -> Path:
    path = folder / "keys"
    write(path, *lines)
    return path


def write(path: Path, *lines: str) -> None:
    path.write_text("\n".join(["# who may call", "", *lines]) + "\n")


def replace(path: Path, *lines: str) -> None:
    """As an editor or Kubernetes does it: another file under the same name."""
    new = path.with_suffix(".new")
    write(new, *lines)
    os.replace(new, path)


def opens(keys: KeyFile, key: str, now_s: float = 0.0) -> bool:
    try:
        keys.caller(f"Bearer {key}", now_s)
    except KeyRefused:
        return False
    return True


def test_a_key_names_its_user_and_has_43_characters_of_secret() -> None:
    key = make_key("data-team")
    assert re.fullmatch(r"sk-sophia-data-team-[A-Za-z0-9_-]{43}", key)
    assert key != make_key("data-team")


@pytest.mark.parametrize("name", ["", "Data", "a_b", "-a", "a-", "a" * 64, "a b"])
def test_a_name_that_is_no_dns_label_gets_no_key(name: str) -> None:
    with pytest.raises(KeyFileRefused):
        make_key(name)


def test_each_key_of_a_user_opens_and_names_him(tmp_path: Path) -> None:
    old, new = make_key("data-team"), make_key("data-team")
    keys = KeyFile(key_file(tmp_path, key_line("data-team", old), key_line("data-team", new)), USERS)
    assert keys.caller(f"Bearer {old}", 0).user == "data-team"
    assert keys.caller(f"bearer {new}", 0).user == "data-team"
    assert keys.caller(f"Bearer {old}", 0).key_hash != keys.caller(f"Bearer {new}", 0).key_hash


def test_a_wrong_key_and_an_unknown_user_get_the_same_answer(tmp_path: Path) -> None:
    keys = KeyFile(key_file(tmp_path, key_line("backend", make_key("backend"))), USERS)
    sentences = set()
    for key in (make_key("backend"), make_key("nobody")):
        with pytest.raises(KeyRefused) as refused:
            keys.caller(f"Bearer {key}", 0)
        sentences.add(str(refused.value))
        assert key not in str(refused.value)
    assert len(sentences) == 1


def test_a_key_of_one_user_does_not_open_for_another(tmp_path: Path) -> None:
    key = make_key("backend")
    keys = KeyFile(key_file(tmp_path, f"data-team: {hash_key(key)}"), USERS)
    assert not opens(keys, key)


def test_a_key_whose_user_is_not_configured_opens_nothing(tmp_path: Path) -> None:
    key = make_key("gone")
    keys = KeyFile(key_file(tmp_path, key_line("gone", key)), USERS)
    assert not opens(keys, key)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic abc", "sk-sophia-backend-x", "Bearer é"]
)
def test_what_is_no_bearer_key_is_refused(tmp_path: Path, header: str | None) -> None:
    keys = KeyFile(key_file(tmp_path), USERS)
    with pytest.raises(KeyRefused):
        keys.caller(header, 0)


def test_a_changed_file_is_seen_within_a_second(tmp_path: Path) -> None:
    old, new = make_key("backend"), make_key("backend")
    path = key_file(tmp_path, key_line("backend", old))
    keys = KeyFile(path, USERS)
    assert opens(keys, old, 10.0)
    replace(path, key_line("backend", new))
    assert opens(keys, old, 10.5)
    assert not opens(keys, old, 11.0)
    assert opens(keys, new, 11.0)


@pytest.mark.parametrize("broken", ["backend: nothex", "backend", "Bad: " + "0" * 64])
def test_a_broken_change_leaves_the_keys_as_they_were(tmp_path: Path, broken: str) -> None:
    key = make_key("backend")
    path = key_file(tmp_path, key_line("backend", key))
    keys = KeyFile(path, USERS)
    replace(path, broken)
    keys.reload()
    assert opens(keys, key)
    path.unlink()
    assert opens(keys, key, 100.0)


def test_a_key_where_its_hash_belongs_is_named_by_line_and_never_shown() -> None:
    key = make_key("backend")
    with pytest.raises(KeyFileRefused) as refused:
        parse_keys(f"# one\nbackend: {key}\n", name="keys")
    assert "line 2" in str(refused.value)
    assert key not in str(refused.value)


def test_a_missing_file_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(KeyFileRefused, match="cannot be read"):
        KeyFile(tmp_path / "none", USERS)
