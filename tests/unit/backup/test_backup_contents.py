"""What goes into a set, from where, and what never does."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from sophia_infra.backup.contents import (
    archive,
    configuration_files,
    esc_names,
    images_document,
    record_files,
    unpack,
)
from sophia_infra.backup.errors import BackupRefused, KeyRefused, TargetOccupied
from sophia_infra.backup.opening import LEDGER, backed_up_databases, open_key, open_store
from sophia_infra.backup.planning import plan_parts
from sophia_infra.backup.restoring import SetReader
from sophia_infra.engine.home import Home, open_home
from sophia_infra.model.stack_config import StackConfig, load_stack_config, parse_stack_config
from tests.unit.backup.material import KEY, make_set, sets_in
from tests.unit.model.model_stacks import right_stack

CHECKOUT = Path(__file__).resolve().parents[3]
LOCAL = load_stack_config(CHECKOUT / "Pulumi.local.yaml")


def config(**sections: Any) -> StackConfig:
    return parse_stack_config(
        {**right_stack(), **{f"sophia:{key}": row for key, row in sections.items()}}, "x"
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    stack = right_stack()
    stack["sophia:fleet"]["core"]["user_data_file"] = "boot.yaml"
    (checkout / "Pulumi.local.yaml").write_text(yaml.safe_dump({"config": stack}))
    (checkout / "Pulumi.yaml").write_text("name: sophia-infra")
    (checkout / "boot.yaml").write_text("#cloud-config")
    (checkout / "unrelated.txt").write_text("x")
    return open_home(checkout=checkout, environ={"SOPHIA_HOME": str(tmp_path / "home")})


def write(home: Home, *names: str) -> None:
    for name in names:
        (home.root / name).parent.mkdir(parents=True, exist_ok=True)
        (home.root / name).write_text("x")


def test_configuration_is_the_stack_files_and_what_they_name(home: Home) -> None:
    names = ["checkout/Pulumi.local.yaml", "checkout/Pulumi.yaml", "checkout/boot.yaml"]
    assert sorted(configuration_files(home, "local")) == names
    home.passphrase_file.write_text("x")
    assert sorted(configuration_files(home, "local")) == [*names, "local/passphrase"]


def test_the_passphrase_of_a_real_stack_is_its_owners_and_not_ours_to_keep(home: Home) -> None:
    (home.checkout / "Pulumi.staging.yaml").write_text(yaml.safe_dump({"config": right_stack()}))
    home.passphrase_file.write_text("x")
    assert not any(name.startswith("local/") for name in configuration_files(home, "staging"))


def test_records_are_what_rooms_wrote_down_and_hold_no_way_in(home: Home) -> None:
    write(
        home,
        "audit/stacks/local.jsonl",
        "launches/a.json",
        "training/1/run.json",
        "backup/local/drills.jsonl",
    )
    write(home, "kubeconfigs/a.yaml", "esc/cloud.json", "inference/keys.json", "emulator/cloud.json")
    write(home, "backup/sets/local/1/manifest.json", "backup/local/key", "logs/up.json", "training/1/a.lock")
    write(home, "state/.pulumi/stacks/x.json", "kubernetes/a/pki.json", "stacks/Pulumi.local.yaml")
    assert sorted(record_files(home)) == [
        "audit/stacks/local.jsonl",
        "backup/local/drills.jsonl",
        "launches/a.json",
        "training/1/run.json",
    ]


def test_an_archive_comes_back_and_a_file_that_went_away_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("text")
    chunks = archive({"x/a.json": file, "gone": tmp_path / "gone"}, tmp_path)
    assert unpack(chunks, tmp_path / "out", tmp_path) == ["x/a.json"]
    assert (tmp_path / "out/x/a.json").read_text() == "text"
    assert (tmp_path / "out/x/a.json").stat().st_mode & 0o777 == 0o600


def test_an_archive_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../escaped"), io.BytesIO(b""))
    with pytest.raises(BackupRefused, match="leads out of the folder"):
        unpack([raw.getvalue()], tmp_path / "out", tmp_path)
    assert not (tmp_path / "escaped").exists()


def test_images_stand_with_their_digests_and_secrets_with_their_names_only() -> None:
    images = images_document(LOCAL)
    assert len(images) > 5
    assert all("@" not in row["image"] and row["used_by"] for row in images)
    names = esc_names(LOCAL)
    assert names["environment"].count("/") == 2
    assert all("." in path for path in names["paths"])


def test_files_go_to_an_empty_folder_and_over_nothing_unasked(home: Home, tmp_path: Path) -> None:
    write(home, "audit/stacks/local.jsonl")
    sets = sets_in(tmp_path / "store")
    parts = plan_parts(home, "local", LOCAL, {"deployment": {"resources": []}}, {})
    assert [part.name for part in parts] == ["configuration", "state", "images", "records"]
    reader = SetReader(sets, make_set(sets.store, parts), KEY, tmp_path)
    target = tmp_path / "back"
    assert reader.files_to(target, overwrite=False) == 5
    assert (target / "checkout/boot.yaml").read_text() == "#cloud-config"
    assert (target / "records/audit/stacks/local.jsonl").read_text() == "x"
    (target / "checkout/boot.yaml").write_text("newer")
    with pytest.raises(TargetOccupied):
        reader.files_to(target, overwrite=False)
    assert (target / "checkout/boot.yaml").read_text() == "newer"
    reader.files_to(target, overwrite=True)
    assert (target / "checkout/boot.yaml").read_text() == "#cloud-config"
    assert reader.file("checkout/boot.yaml") == "#cloud-config"
    assert reader.file("checkout/none") is None


def test_an_emulator_stack_needs_to_say_nothing_and_a_real_one_everything(home: Home) -> None:
    real = config(endpoint="lambda")
    assert open_store(LOCAL, home, "local").place == str(home.root / "backup/sets")
    with pytest.raises(BackupRefused, match="names no place for copies"):
        open_store(real, home, "staging")
    assert open_key(LOCAL, home, "local", {}) == open_key(LOCAL, home, "local", {}), "made once"
    with pytest.raises(KeyRefused, match="copies are always sealed"):
        open_key(real, home, "staging", {})


def test_a_database_whose_address_is_missing_stops_the_copy(tmp_path: Path) -> None:
    backup = {"store": "/copies", "databases": {"books": {"url_env": "BOOKS_URL"}}}
    stack = config(backup=backup)
    none = tmp_path / "none"
    with pytest.raises(BackupRefused, match="--without books"):
        backed_up_databases(stack, none, environ={})
    found, notes = backed_up_databases(stack, none, without=["books"], environ={})
    assert (found, notes) == ({}, ["books: left out by --without"])
    found, _ = backed_up_databases(stack, none, environ={"BOOKS_URL": "postgresql://me@db/books"})
    assert found["books"].target == "postgresql://me@db/books"
    with pytest.raises(BackupRefused, match="No database is named boks"):
        backed_up_databases(stack, none, without=["boks"], environ={"BOOKS_URL": "postgresql://me@db/books"})


def test_the_books_of_the_gateway_are_copied_unasked(tmp_path: Path) -> None:
    file = tmp_path / "usage.sqlite"
    found, notes = backed_up_databases(LOCAL, file, environ={})
    assert found == {}
    assert notes == [f"{LEDGER}: the gateway has not run on this machine, so there is no file yet"]
    file.touch()
    found, notes = backed_up_databases(LOCAL, file, environ={})
    assert (found[LEDGER].file, notes) == (file, [])
