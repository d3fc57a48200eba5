"""A wrong value may be a right secret in the wrong place: no message repeats what may be one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sophia_infra.model.redaction import HIDDEN, looks_like_secret, shown
from sophia_infra.model.stack_config import ConfigError, StackConfig, load_stack_config, parse_stack_config
from tests.unit.model.model_stacks import right_stack, with_changes

# Put together at run time, so that no scanner takes this file for a leak.
HEX = "0123456789abcdef"
SECRETS = [
    "secret_" + f"ops_{HEX}{HEX}." + "x" * 20,
    "pul-" + HEX * 2 + HEX[:8],
    "gh" + "p_" + "A1b2" * 9,
    "sk-" + "proj-" + "A1b2" * 8,
    "AK" + "IA" + "A1B2C3D4E5F6G7H8",
    "ey" + "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    "v1:" + "c2VjcmV0c2Vj" + ":c2VjcmV0",
    "https://me:" + "hunter2" + "@inference.example",
    "Zm9v" * 12 + "1=",
]
PLACES: list[tuple[Any, ...]] = [
    ("sophia:endpoint",),
    ("sophia:budget", "limit"),
    ("sophia:ssh", "public_key"),
    ("sophia:fleet", "core", "type"),
    ("sophia:fleet", "core", "region"),
    ("sophia:fleet", "core", "user_data"),
    ("sophia:fleet", "core", "adopt", "id"),
    ("sophia:fleet", "core", "image_family"),
    ("sophia:inference", "llm", "api_key_env"),
    ("sophia:firewalls", "web", "rules", 0, "source"),
    ("sophia:fleet",),
]


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret[:6])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: str(place[-1]))
def test_a_secret_in_the_wrong_place_is_not_repeated(place: tuple[Any, ...], secret: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_stack_config(with_changes((place, secret)), "x")
    assert secret[6:] not in str(caught.value) + repr(caught.value.problems)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret[:6])
def test_a_secret_as_a_key_is_not_repeated(secret: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_stack_config(with_changes((("sophia:fleet", "core", secret), 1)), "x")
    assert secret not in str(caught.value)


def test_a_value_under_a_key_that_is_named_like_a_secret_is_hidden() -> None:
    assert shown("hunter2", "api_key") == shown("hunter2", "password") == HIDDEN
    assert shown("-1", "context_tokens") == '"-1"'


@pytest.mark.parametrize(
    "text",
    [
        "1xGH20",
        "us-east-33",
        "sophia-ai-core",
        "lambda-stack-24-04",
        "http://127.0.0.1:8000/v1",
        "a" * 64,
        HEX * 2,
    ],
)
def test_ordinary_values_stay_readable(text: str) -> None:
    assert not looks_like_secret(text)


def test_long_values_are_cut() -> None:
    assert shown("word " * 100) == '"' + ("word " * 12)[:57] + '..."'


def test_pydantics_own_error_does_not_repeat_the_input_either() -> None:
    with pytest.raises(ValidationError) as caught:
        StackConfig.model_validate({"endpoint": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_the_api_key_is_taken_encrypted_and_never_kept(tmp_path: Path) -> None:
    text = "config:\n  sophia:lambda_api_key: {secure: v1:c2VjcmV0:c2VjcmV0}\n"
    text += "  sophia:endpoint: emulator\n  sophia:budget: {limit: $1/h}\n  sophia:fleet: {}\n"
    path = tmp_path / "Pulumi.test.yaml"
    path.write_text(text, encoding="utf-8")
    assert "secure" not in repr(load_stack_config(path))
    handed = right_stack() | {"sophia:lambda_api_key": "hunter2"}  # as the engine decrypts it
    assert "hunter2" not in repr(parse_stack_config(handed, "x"))
    path.write_text(text.replace("{secure: v1:c2VjcmV0:c2VjcmV0}", "hunter2"), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_stack_config(path)
    assert str(caught.value) == (
        "Pulumi.test.yaml:2 sophia:lambda_api_key: (hidden) is in plain text: make a new key, "
        "`pulumi config set --secret sophia:lambda_api_key`"
    )
