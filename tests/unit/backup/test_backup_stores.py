"""One body of tests for both stores: a folder, and a bucket of a real S3 server on loopback (moto)."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.backup.errors import StoreUnavailable
from sophia_infra.backup.s3_store import S3Store
from sophia_infra.backup.stores import FolderStore, Store
from tests.unit.backup.material import KEY, breaking, make_set, sets_in

BUCKET = "copies"
LARGE = 17 << 20
"""More than one piece of an upload."""


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    """A server of its own with one bucket; a second to start, which both runs of each test share."""
    moto: Any = importlib.import_module("moto.server")
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_store(s3_address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> S3Store:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    client = importlib.import_module("boto3").client("s3", endpoint_url=s3_address)
    client.create_bucket(Bucket=BUCKET)
    return S3Store(BUCKET, f"prefix/{tmp_path.name}", s3_address)


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path / "copies")
    return request.getfixturevalue("s3_store")  # type: ignore[no-any-return]


def test_a_file_of_several_pieces_comes_back(store: Store) -> None:
    block = os.urandom(1 << 20)
    store.put("s/one/large", (block for _ in range(LARGE >> 20)))
    store.put("s/one/empty", [])
    assert b"".join(store.get("s/one/large")) == block * (LARGE >> 20)
    assert b"".join(store.get("s/one/empty")) == b""
    assert store.names("s") == ["s/one/empty", "s/one/large"]
    assert store.names("another") == []


@pytest.mark.parametrize("already", [0, LARGE])
def test_a_source_that_fails_leaves_no_file(store: Store, already: int) -> None:
    def failing() -> Iterator[bytes]:
        yield b"x" * already
        yield from breaking(b"x", lambda: RuntimeError("the source failed"))

    with pytest.raises(RuntimeError, match="the source failed"):
        store.put("s/one/part", failing())
    assert store.names("s") == []


def test_what_is_gone_is_said_so_and_can_be_deleted_again(store: Store) -> None:
    store.put("s/one/part", [b"x"])
    store.put("s/two/part", [b"x"])
    for _ in range(2):
        store.delete("s/one/part")
        store.delete_folder("s/one")
    assert store.names("s") == ["s/two/part"]
    with pytest.raises(FileNotFoundError):
        b"".join(store.get("s/one/part"))


def test_a_set_lives_in_either(store: Store) -> None:
    sets = sets_in(Path())
    sets.store = store
    made = make_set(store)
    assert sets.open("latest", KEY) == made
    assert sets.is_good(made)
    sets.remove(made.set_id)
    assert sets.listing().sets == ()


def test_a_folder_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnavailable, match="There is no folder"):
        FolderStore(tmp_path / "file").put("s/one/part", [b"x"])


def test_nothing_is_written_below_a_filesystem_that_is_not_mounted(tmp_path: Path) -> None:
    away = FolderStore(tmp_path / "mount", must_exist=True)
    with pytest.raises(StoreUnavailable, match="mount the filesystem"):
        away.put("s/one/part", [b"x"])
    with pytest.raises(StoreUnavailable):
        away.names("s")
    assert not (tmp_path / "mount").exists()
    (tmp_path / "mount").mkdir()
    away.put("s/one/part", [b"x"])
    assert away.names("s") == ["s/one/part"]


def test_a_bucket_that_is_not_there_says_what_to_check(s3_store: S3Store, s3_address: str) -> None:
    absent = S3Store("no-such-bucket", "", s3_address)
    with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
        absent.put("s/one/part", [b"x"])
    with pytest.raises(StoreUnavailable, match="check bucket, address, credentials"):
        absent.names("s")


def test_a_service_that_does_not_answer_is_no_missing_set(
    s3_store: S3Store, unused_port: Callable[[], int]
) -> None:
    away = S3Store(BUCKET, "", f"http://127.0.0.1:{unused_port()}")
    with pytest.raises(StoreUnavailable):
        b"".join(away.get("s/one/part"))


@pytest.fixture
def unused_port() -> Callable[[], int]:
    def find() -> int:
        import socket

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return find
