"""Stack files that are kept, found again by what an update ran with, and what going back to one would do."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.stack_config import StackConfig, parse_stack_config
from sophia_infra.rollout.errors import RolloutRefused
from sophia_infra.rollout.rollback import RollbackPlan, plan_rollback
from sophia_infra.rollout.versions import find_version, record_version, written_back

TEXT = """\
# by hand
config:
  sophia:phase: 1
  sophia:endpoint: emulator
  sophia:emulator: {speed: 600.0}
  sophia:fleet: {a: {type: 1xA10, always_on: false, user_data_file: boot/a.sh}}
  sophia:kubernetes: {workloads_file: workloads.yaml}
  sophia:lambda_api_key: {secure: v1:today}
encryptionsalt: v1:salt
"""
RAN_WITH: dict[str, Any] = {
    "sophia:phase": "2",
    "sophia:endpoint": "emulator",
    "sophia:emulator": {"speed": 600},
    "sophia:fleet": {"a": {"type": "1xA10", "always_on": False, "user_data_file": "boot/a.sh"}},
    "sophia:kubernetes": {"workloads_file": "workloads.yaml"},
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "boot").mkdir(parents=True)
    (root / "Pulumi.test.yaml").write_text(TEXT, encoding="utf-8")
    (root / "workloads.yaml").write_text("workloads: {}\n", encoding="utf-8")
    (root / "boot/a.sh").write_text("echo a\n", encoding="utf-8")
    return root


def test_a_kept_file_is_found_by_its_values_with_all_that_it_names(checkout: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    key = record_version(home, "test", checkout)
    assert record_version(home, "test", checkout) == key
    (checkout / "workloads.yaml").write_text("workloads: {b: {}}\n", encoding="utf-8")
    assert record_version(home, "test", checkout) != key, "the table is part of it"
    found = find_version(home, "test", RAN_WITH)
    assert found is not None
    assert found.stack_file.read_text("utf-8") == TEXT
    assert sorted(found.beside) == ["boot/a.sh", "workloads.yaml"]
    assert {path.stat().st_mode & 0o777 for path in found.beside.values()} == {0o600}
    assert find_version(home, "test", {**RAN_WITH, "sophia:endpoint": "lambda"}) is None
    assert find_version(home, "other", RAN_WITH) is None


def test_a_file_outside_of_the_project_is_never_copied(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    text = TEXT.replace("workloads.yaml", "../secret")
    (checkout / "Pulumi.test.yaml").write_text(text, encoding="utf-8")
    record_version(tmp_path / "home", "test", checkout)
    assert not [path for path in (tmp_path / "home").rglob("*") if path.name == "secret"]


def test_values_come_back_and_todays_secrets_and_salt_stay(checkout: Path) -> None:
    old = {**RAN_WITH, "sophia:fleet": {}}
    text = written_back(checkout / "Pulumi.test.yaml", old, ("sophia:lambda_api_key",), "back to 1")
    assert text.startswith("# back to 1\n")
    document = yaml.safe_load(text)
    assert document["config"] == {**old, "sophia:lambda_api_key": {"secure": "v1:today"}}
    assert document["encryptionsalt"] == "v1:salt"


def test_a_file_that_is_no_stack_file_is_refused(checkout: Path) -> None:
    (checkout / "Pulumi.test.yaml").write_text("[]", encoding="utf-8")
    with pytest.raises(RolloutRefused, match="no YAML mapping"):
        record_version(checkout, "test", checkout)


A10 = {"type": "1xA10", "region": "us-west-1", "purpose": "development"}
A6000 = {"type": "1xA6000", "region": "us-south-1", "purpose": "orchestration"}


def stack(fleet: dict[str, Any], *, limit: str = "$500/day", **filesystems: bool) -> StackConfig:
    disks = {name: {"region": "us-east-3", "protect": protect} for name, protect in filesystems.items()}
    values = {
        "phase": 1,
        "endpoint": "emulator",
        "budget": {"limit": limit},
        "ssh": {
            "public_key": "ssh-ed25519 "
            "AAAAC3NzaC1lZDI1NTE5AAAAICwvfh1r3PLI2KF5UILCLBq3fm/Ks6xuxUTqjVkCRqkn sophia-local"
        },
        "filesystems": disks,
        "fleet": fleet,
    }
    return parse_stack_config({f"sophia:{key}": value for key, value in values.items()}, "x")


def plan(now: StackConfig, then: StackConfig) -> RollbackPlan:
    return plan_rollback(now, 1, then, 1, PriceBook.fallback())


def test_what_cannot_be_undone_is_said_beforehand() -> None:
    now = stack({"a": A10, "b": A6000, "same": A10}, data=False, gold=True)
    then = stack({"a": {**A10, "generation": 2}, "same": {**A10, "tags": {"team": "x"}}, "c": A10})
    found = plan(now, then)
    assert (found.terminated, found.replaced, found.launched) == (("b",), ("a",), ("c",))
    assert found.losses == (
        "b is terminated: everything on its local disk is lost",
        "a is replaced by a new machine: everything on its local disk is lost",
        "filesystem data is deleted with its data",
        "filesystem gold is deleted with its data",
    )
    assert found.refused == ("filesystem gold",)


def test_dollars_are_those_of_both_files() -> None:
    found = plan(stack({"a": A10}), stack({"a": A10, "b": A6000}, limit="$1/day"))
    assert found.usd_per_hour_after - found.usd_per_hour_before == Decimal("1.09")
    assert found.usd_per_month_change == Decimal("784.80")
    assert found.over_budget


def test_protected_machines_stand_in_the_way_and_adopted_ones_only_leave_the_file() -> None:
    adopted = {**A10, "adopt": {"name": "old-one"}}
    found = plan(stack({"kept": {**A10, "protect": True}, "theirs": adopted}), stack({}))
    assert found.refused == ("kept",)
    assert found.terminated == ("kept",)
