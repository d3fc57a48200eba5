"""Pack configuration: what does not exist is refused, because the engine would take it and do nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sophia_policies.configuration import check_configuration, load_stack_settings
from sophia_policies.errors import ConfigurationRefused


def test_a_level_alone_and_settings_are_both_read(tmp_path: Path) -> None:
    document = {"probes": "mandatory", "max-machine-price": {"limit": "$3/h", "enforcementLevel": "advisory"}}
    (tmp_path / "dev.json").write_text(json.dumps(document), encoding="utf-8")

    assert load_stack_settings("dev", tmp_path) == {
        "probes": {"enforcementLevel": "mandatory"},
        "max-machine-price": {"limit": "$3/h", "enforcementLevel": "advisory"},
    }


def test_a_stack_without_a_file_has_no_settings(tmp_path: Path) -> None:
    assert load_stack_settings("dev", tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read"),
        ("[]", "has to be an object"),
        ('{"probe": "mandatory"}', "there is no rule 'probe', did you mean probes?"),
        ('{"probes": "strict"}', "it may be advisory, mandatory, disabled"),
        ('{"probes": 3}', "has to be a level or an object"),
        (
            '{"max-machine-price": {"limits": "$3/h"}}',
            "max-machine-price has no setting 'limits', did you mean limit?",
        ),
        ('{"all": {"limit": 1}}', "all has no setting 'limit'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "dev.json").write_text(text, encoding="utf-8")

    with pytest.raises(ConfigurationRefused) as refused:
        load_stack_settings("dev", tmp_path)

    assert words in str(refused.value)
    assert str(refused.value).startswith("config/dev.json: ")


def test_the_engine_s_key_for_all_rules_is_known() -> None:
    check_configuration({"all": {"enforcementLevel": "advisory"}}, "test")
