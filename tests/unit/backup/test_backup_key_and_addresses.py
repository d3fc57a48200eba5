"""Keys and addresses: what is accepted, and that no message repeats a secret."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from sophia_infra.backup.databases import parse_address
from sophia_infra.backup.errors import BackupRefused, KeyRefused
from sophia_infra.backup.key import new_key_file, parse_key, read_key

TEXT = base64.b64encode(bytes(range(32))).decode()
URL_SAFE = base64.urlsafe_b64encode(b"\xfb\xff" * 16).decode()


def test_a_new_key_is_private_reads_back_and_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "key"
    made = new_key_file(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert read_key("K", {"K_FILE": str(file)}) == made
    assert len(made.secret) == 32
    assert made.secret.hex() not in repr(made)
    with pytest.raises(KeyRefused, match="closed for ever"):
        new_key_file(file)
    assert read_key("K", {"K_FILE": str(file)}) == made


def test_the_variable_wins_over_the_file_and_none_is_none() -> None:
    assert read_key("K", {}) is None
    found = read_key("K", {"K": TEXT, "K_FILE": "/nowhere"})
    assert found is not None
    assert found.secret == bytes(range(32))
    assert parse_key(URL_SAFE, "K").secret == b"\xfb\xff" * 16


@pytest.mark.parametrize("text", ["a passphrase", TEXT[:-4], TEXT + TEXT, "", "é"])
def test_text_that_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(KeyRefused, match="32 bytes in base64") as caught:
        parse_key(text, "SOPHIA_BACKUP_KEY")
    assert not text or text not in str(caught.value)


def test_a_key_file_that_cannot_be_read_is_said_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(KeyRefused, match="which cannot be read"):
        read_key("K", {"K_FILE": str(tmp_path / "none")})


def test_a_password_stays_out_of_what_is_shown_and_of_the_command_line() -> None:
    address = parse_address("postgresql+psycopg://me:p%40ss@db:5433/books?sslmode=require", "URL")
    assert address.target == "postgresql://me@db:5433/books?sslmode=require"
    assert address.password == "p@ss"
    assert address.environment()["PGPASSWORD"] == "p@ss"
    assert "p@ss" not in repr(address)
    assert address.without("password p@ss is wrong") == "password *** is wrong"
    assert address.named("other").target == "postgresql://me@db:5433/other?sslmode=require"


def test_a_sqlite_address_is_a_path() -> None:
    assert parse_address("sqlite:////var/lib/a b.sqlite", "URL").target == "/var/lib/a b.sqlite"
    assert parse_address("sqlite:///relative.sqlite", "URL").target == "relative.sqlite"


@pytest.mark.parametrize(
    "url", ["", "mysql://me:secret@db/x", "postgresql://me:secret@db", "postgresql://me:secret@db:port/x"]
)
def test_another_address_is_refused_by_the_name_of_its_variable(url: str) -> None:
    with pytest.raises(BackupRefused, match="URL holds no address") as caught:
        parse_address(url, "URL")
    assert "secret" not in str(caught.value)
