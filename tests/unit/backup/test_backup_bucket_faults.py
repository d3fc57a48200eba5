"""A bucket that throttles and fails at every request: what boto3 cannot wait out leaves nothing half."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sophia_infra.backup import s3_store
from sophia_infra.backup.creating import PlannedPart
from sophia_infra.backup.databases import DatabaseAddress, dump_sqlite
from sophia_infra.backup.errors import StoreUnavailable
from sophia_infra.backup.restoring import SetReader
from sophia_infra.backup.s3_store import S3Store
from sophia_infra.backup.sets import BackupSets
from tests.faults.trials import TRIALS, RecordProperty
from tests.unit.backup.material import KEY, STACK, make_set, text_part
from tests.unit.backup.spoiled_bucket import SPOILS, Spoil, SpoiledBucket, spoiled_bucket
from tests.unit.backup.test_backup_faults import ROWS_OF_THE_SET, ROWS_THERE
from tests.unit.backup.test_backup_sqlite import books, count

BUCKET = "spoiled"
PIECE_BYTES = 5 << 20
"""The least that S3 takes as a piece of an upload."""


@pytest.fixture(scope="module")
def service() -> Iterator[SpoiledBucket]:
    with spoiled_bucket() as running:
        yield running


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that boto3 would have waited before it asked again."""
    waited: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=waited.append))
    return waited


@pytest.fixture
def sets(service: SpoiledBucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> BackupSets:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_MAX_ATTEMPTS", raising=False)
    monkeypatch.setattr(s3_store, "_PIECE_BYTES", PIECE_BYTES)
    service.strike(0, SPOILS["500 before"])
    client: Any = importlib.import_module("boto3").client("s3", endpoint_url=service.address)
    client.create_bucket(Bucket=BUCKET)
    return BackupSets(S3Store(BUCKET, tmp_path.name, service.address), STACK)


def database_part(spoil: Spoil) -> PlannedPart:
    """Of two pieces (begun, sent, sent, put together) where the way of its upload matters: it takes time."""
    is_large = spoil.times > 1 or spoil.when == "after"
    return PlannedPart("database-ledger", "database", lambda: [b"x" * PIECE_BYTES * is_large, b"y"])


@pytest.mark.parametrize("kind", SPOILS)
def test_a_copy_is_made_whole_or_refused_whatever_a_bucket_answers(
    service: SpoiledBucket,
    sets: BackupSets,
    waits: list[float],
    record_property: RecordProperty,
    kind: str,
) -> None:
    before = make_set(sets.store, [text_part("images", "[]")])
    spoil, trials = SPOILS[kind], 0
    for at in range(1, 50):
        service.strike(at, spoil)
        made = None
        # An upload that was put together and is asked for again is gone by then.
        may_fail = spoil.times > 1 or spoil.when == "after"
        with contextlib.suppress(StoreUnavailable) if may_fail else contextlib.nullcontext():
            made = make_set(sets.store, [database_part(spoil), text_part("state", "{}", kind="state")])
        struck = service.has_struck
        service.strike(0, spoil)
        whole = sets.listing().sets
        assert all(sets.is_good(one) for one in whole), at
        assert [one.set_id for one in whole] == [one.set_id for one in (made, before) if one], at
        for set_id in [made.set_id] if made else sets.listing().unfinished:
            sets.remove(set_id)
        if not struck:
            break
        trials += 1
    assert trials >= 5
    assert len(waits) >= trials, "boto3 waits before it asks again"
    record_property(TRIALS, trials)


def test_a_set_whose_manifest_a_bucket_does_not_give_now_is_not_passed_over_for_an_older_one(
    service: SpoiledBucket, sets: BackupSets, waits: list[float]
) -> None:
    for _ in range(2):
        make_set(sets.store, [text_part("images", "[]")])
    service.strike(2, SPOILS["429 for long"])
    with pytest.raises(StoreUnavailable, match="TooManyRequests"):
        sets.open("latest", KEY)
    assert waits


@pytest.mark.parametrize("kind", SPOILS)
def test_what_is_brought_back_from_a_bucket_is_whole_or_nothing_was_touched(
    service: SpoiledBucket,
    sets: BackupSets,
    waits: list[float],
    tmp_path: Path,
    record_property: RecordProperty,
    kind: str,
) -> None:
    source, target = tmp_path / "source.sqlite", tmp_path / "there.sqlite"
    books(source, ROWS_OF_THE_SET)
    part = PlannedPart(
        "database-ledger",
        "database",
        lambda: dump_sqlite(source, tmp_path),
        {"database": "ledger", "server": "sqlite"},
    )
    make_set(sets.store, [part])
    address = DatabaseAddress("sqlite", str(target))

    def bring_back() -> None:
        reader = SetReader(sets, sets.open("latest", KEY), KEY, tmp_path)
        reader.database_to("ledger", address, overwrite=True)

    spoil = SPOILS[kind]
    service.strike(0, spoil)
    bring_back()
    requests = service.count
    for at in range(1, requests + 1):
        target.unlink()
        books(target, ROWS_THERE)
        service.strike(at, spoil)
        if spoil.times > 1:
            with pytest.raises(StoreUnavailable, match="run it later"):
                bring_back()
            assert count(target) == ROWS_THERE
        else:
            bring_back()
        assert service.has_struck
        service.strike(0, spoil)
        bring_back()
        assert count(target) == ROWS_OF_THE_SET
    assert requests > 2
    assert len(waits) >= requests
    record_property(TRIALS, requests)
