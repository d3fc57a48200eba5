"""Changes of a stack file as diffs: they apply, they load, they keep comments, or they are refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sophia_infra.model import yaml_text
from sophia_infra.optimization.errors import ChangeRefused
from sophia_infra.optimization.stack_change import (
    AddMachine,
    Edit,
    RemoveKey,
    RemoveMachine,
    SetValue,
    StackChange,
    render_change,
)

TEXT = """\
# The top.
config:
  sophia:endpoint: emulator
  sophia:budget: {limit: "$500/day"}
  sophia:ssh: {existing: team}
  sophia:fleet:
    # About core.
    core:
      type: 1xA10  # cheap
      region: us-west-1
      purpose: a test

    # About dev.
    dev:
      type: 1xA100
      region: us-west-1
      always_on: false
      purpose: office hours
    last: {type: 1xA10, region: us-west-1, purpose: in one line}
  sophia:phase: 1
"""


def diff(*edits: Edit, text: str = TEXT, path: Path = Path("Pulumi.test.yaml")) -> str:
    return render_change(text, StackChange(edits), path)


def applied(patch: str, folder: Path, text: str = TEXT) -> str:
    """What `git apply` makes of it, as a reviewer would."""
    file = folder / "Pulumi.test.yaml"
    file.write_text(text)
    (folder / "change.patch").write_text(patch)
    git = shutil.which("git")
    assert git is not None
    done = subprocess.run(
        [git, "apply", "--unsafe-paths", "change.patch"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return file.read_text()


@pytest.mark.parametrize(
    ("edit", "gone", "there"),
    [
        (RemoveMachine("dev"), "1xA100", "# About dev."),
        (RemoveMachine("core"), "# cheap", "# About core."),
        (RemoveMachine("last"), "in one line", "office hours"),
        (SetValue("core", "type", "gpu_1x_a6000"), "type: 1xA10  # cheap", "type: gpu_1x_a6000  # cheap"),
        (SetValue("core", "always_on", False), "", "      always_on: false\n      type: 1xA10  # cheap"),
        (SetValue("core", "generation", 2), "", "generation: 2"),
        (RemoveKey("dev", "always_on"), "always_on", "office hours"),
        (
            AddMachine(
                "found", {"type": "gpu_1x_a10", "region": "us-west-1", "purpose": "x: y", "protect": True}
            ),
            "",
            '      purpose: "x: y"\n      protect: true\n  sophia:phase: 1',
        ),
    ],
)
def test_a_change_applies_and_says_what_was_wanted(edit: Edit, gone: str, there: str, tmp_path: Path) -> None:
    changed = applied(diff(edit), tmp_path)
    assert not gone or gone not in changed
    assert there in changed
    assert changed.startswith("# The top.\n")
    assert yaml_text.read_yaml(changed).findings == []


def test_a_schedule_can_be_taken_back(tmp_path: Path) -> None:
    patch = diff(RemoveMachine("dev"))
    applied(patch, tmp_path)
    git = shutil.which("git")
    assert git is not None
    subprocess.run([git, "apply", "-R", "--unsafe-paths", "change.patch"], cwd=tmp_path, check=True)
    assert (tmp_path / "Pulumi.test.yaml").read_text() == TEXT


def test_an_adopted_machine_gets_a_block_that_loads(tmp_path: Path) -> None:
    values = {
        "type": "gpu_1x_a10",
        "region": "us-west-1",
        "purpose": "launched by hand",
        "protect": True,
        "adopt": {"id": "5" * 32},
    }
    changed = applied(diff(AddMachine("found", values)), tmp_path)
    row = yaml_text.read_yaml(changed).value["config"]["sophia:fleet"]["found"]
    assert row == values


@pytest.mark.parametrize(
    ("edit", "text", "says"),
    [
        (RemoveMachine("nobody"), TEXT, "no such machine"),
        (SetValue("last", "always_on", False), TEXT, "in one line"),
        (SetValue("core", "type", "gpu_9x_none"), TEXT, "would not load"),
        (SetValue("core", "region", "moon"), TEXT, "would not load"),
        (RemoveMachine("core"), "config: {}\n", "no such machine"),
        (RemoveMachine("a"), 'config: {"sophia:fleet": {a: {}, b: {}}}\n', "in one line"),
        (AddMachine("a", {"type": "x"}), "config:\n  sophia:fleet: {}\n", "has no fleet"),
        (RemoveMachine("a"), "config:\n  sophia:fleet: '{\"a\": {}}'\n", "no such machine"),
    ],
)
def test_what_a_program_does_not_edit_safely_is_refused(edit: Edit, text: str, says: str) -> None:
    with pytest.raises(ChangeRefused, match=says):
        diff(edit, text=text)


def test_the_real_production_file_can_be_changed() -> None:
    path = Path(__file__).resolve().parents[3] / "Pulumi.production.yaml"
    text = path.read_text(encoding="utf-8")
    patch = diff(SetValue("sophia-data-pipeline", "protect", False), text=text, path=path)
    assert "+      protect: false\n" in patch
    assert patch.count("\n-") <= 2


def test_a_machine_leaves_the_roles_of_nodes_too() -> None:
    path = Path(__file__).resolve().parents[3] / "Pulumi.production.yaml"
    text = path.read_text(encoding="utf-8")
    patch = diff(RemoveMachine("sophia-development"), text=text, path=path)
    gone = [line for line in patch.splitlines() if line.startswith("-") and not line.startswith("---")]
    assert "-      sophia-development: [development]" in gone
    assert "-    sophia-development:" in gone
    assert len(gone) == 8


def test_a_machine_that_a_workload_needs_is_not_taken_out() -> None:
    path = Path(__file__).resolve().parents[3] / "Pulumi.production.yaml"
    text = path.read_text(encoding="utf-8")
    with pytest.raises(ChangeRefused, match="no machine that joins a cluster has A100"):
        diff(RemoveMachine("sophia-data-pipeline"), text=text, path=path)


def test_a_file_without_a_newline_at_its_end_makes_a_whole_diff(tmp_path: Path) -> None:
    text = TEXT.rstrip("\n")
    changed = applied(diff(RemoveMachine("dev"), text=text), tmp_path, text)
    assert "1xA100" not in changed
