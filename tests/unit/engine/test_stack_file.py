from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sophia_infra.engine import ConfigRefused, Home, prepare_stack

TRACKED = """\
# The stack that needs no account.
config:
  sophia:phase: 1
  sophia:endpoint: emulator
  sophia:words: {a: yes, b: 0123, c: 1:30, d: "2"}
  sophia:script: |
    #cloud-config
    runcmd: [true]
"""


def write_local(home: Home, text: str) -> Path:
    file = home.checkout / "Pulumi.local.yaml"
    file.write_text(text)
    return file


def test_stack_local_gets_a_copy_and_the_tracked_file_stays(home: Home) -> None:
    tracked = write_local(home, TRACKED)
    stack = prepare_stack("local", home, phase=2)
    assert stack.config_file == home.stacks / "Pulumi.local.yaml"
    assert tracked.read_text() == TRACKED
    assert (home.stacks / "Pulumi.yaml").read_text() == (home.checkout / "Pulumi.yaml").read_text()


def test_the_copy_differs_from_the_tracked_file_in_the_phase_and_the_salt_alone(home: Home) -> None:
    write_local(home, TRACKED)
    copy = prepare_stack("local", home).config_file
    assert copy.read_text() == TRACKED
    copy.write_text(f"{TRACKED}encryptionsalt: v1:a=:v1:b+/=\n")
    text = prepare_stack("local", home, phase=2).config_file.read_text()
    phase_two = TRACKED.replace("sophia:phase: 1", "sophia:phase: 2")
    assert text == phase_two.replace("config:", 'encryptionsalt: "v1:a=:v1:b+/="\nconfig:')


def test_the_salt_of_the_copy_survives_an_edit_of_the_tracked_file(home: Home) -> None:
    copy = prepare_stack("local", home).config_file
    copy.write_text(copy.read_text() + "encryptionsalt: v1:abc=:v1:def+/=\n")
    write_local(home, "config:\n  sophia:phase: 1\n  sophia:new: value\n")
    again = yaml.safe_load(prepare_stack("local", home).config_file.read_text())
    assert again == {
        "config": {"sophia:phase": 1, "sophia:new": "value"},
        "encryptionsalt": "v1:abc=:v1:def+/=",
    }


def test_values_that_a_run_wrote_into_the_copy_are_gone_in_the_next_run(home: Home) -> None:
    copy = prepare_stack("local", home).config_file
    copy.write_text("config:\n  sophia:phase: '1'\n  sophia:once: 'x'\n")
    assert yaml.safe_load(prepare_stack("local", home).config_file.read_text()) == {
        "config": {"sophia:phase": 1}
    }


def test_a_requested_phase_is_remembered_until_the_files_own_is_requested(home: Home) -> None:
    asked = prepare_stack("local", home, phase=3)
    assert (asked.phase, asked.phase_source) == (3, "request")
    later = prepare_stack("local", home)
    assert (later.phase, later.phase_source) == (3, "remembered")
    assert yaml.safe_load(later.config_file.read_text())["config"]["sophia:phase"] == 3
    back = prepare_stack("local", home, phase=1)
    assert (back.phase, back.phase_source) == (1, "request")
    assert prepare_stack("local", home).phase_source == "file"


def test_without_any_phase_it_is_the_first(home: Home) -> None:
    write_local(home, "config: {}\n")
    stack = prepare_stack("local", home)
    assert (stack.phase, stack.phase_source) == (1, "default")


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("", {}),
        ("# only a comment", {}),
        ("config:\n", {}),
        ("config: {}\n", {}),
        ("config: {sophia:a: 1}\n", {"sophia:a": 1}),
        ("{config: {sophia:a: 1}}", {"sophia:a": 1}),
        ("---\nconfig:\n    # first\n    sophia:a: 1\n", {"sophia:a": 1}),
        ("secretsprovider: passphrase\n", {}),
    ],
)
def test_any_form_of_stack_file_can_take_a_phase_and_a_salt(
    home: Home, text: str, others: dict[str, int]
) -> None:
    write_local(home, text)
    prepare_stack("local", home).config_file.write_text("encryptionsalt: salt\n")
    copy = yaml.safe_load(prepare_stack("local", home, phase=2).config_file.read_text())
    assert copy.pop("encryptionsalt") == "salt"
    assert copy.pop("config") == {"sophia:phase": 2, **others}
    assert copy in ({}, {"secretsprovider": "passphrase"})


def test_another_stack_uses_its_own_file_and_sends_a_new_phase_to_the_engine(home: Home) -> None:
    file = home.checkout / "Pulumi.production.yaml"
    file.write_text("config:\n  sophia:phase: 1\nencryptionsalt: kept\n")
    before = file.read_text()
    stack = prepare_stack("production", home, phase=2)
    assert (stack.config_file, stack.phase, stack.phase_source) == (file, 2, "request")
    assert stack.config == {"sophia:phase": "2"}
    assert prepare_stack("production", home).config == {}
    assert file.read_text() == before


@pytest.mark.parametrize("phase", [0, 4, -1])
def test_a_phase_that_does_not_exist_is_refused_and_not_remembered(home: Home, phase: int) -> None:
    with pytest.raises(ConfigRefused, match=f"Phase {phase} does not exist. Choose 1, 2 or 3."):
        prepare_stack("local", home, phase=phase)
    assert prepare_stack("local", home).phase == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config: [", "is not YAML"),
        ("- a\n", "is not a YAML mapping"),
        ("config:\n  sophia:phase: 7\n", "sophia:phase must be 1, 2 or 3, not '7'"),
        ("config:\n  sophia:phase: [1]\n", "sophia:phase must be 1, 2 or 3, not ''"),
    ],
)
def test_a_wrong_stack_file_is_named_with_what_is_wrong(home: Home, text: str, message: str) -> None:
    write_local(home, text)
    with pytest.raises(ConfigRefused) as refused:
        prepare_stack("local", home)
    assert message in str(refused.value)
    assert "Pulumi.local.yaml" in str(refused.value)


def test_a_stack_without_a_file_is_told_which_ones_have_one(home: Home) -> None:
    with pytest.raises(ConfigRefused, match=r"There is no Pulumi.typo.yaml. Stacks with a file: local."):
        prepare_stack("typo", home)


def test_a_salt_in_the_tracked_file_is_the_one_that_counts(home: Home) -> None:
    write_local(home, "config: {}\nencryptionsalt: tracked\n")
    prepare_stack("local", home).config_file.write_text("encryptionsalt: other\n")
    assert yaml.safe_load(prepare_stack("local", home).config_file.read_text())["encryptionsalt"] == "tracked"
