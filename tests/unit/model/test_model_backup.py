"""`sophia:backup`: what is promised, and every way to write it wrong."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sophia_infra.model.backup import KEY_VARIABLE, StackBackupConfig
from sophia_infra.model.explain import explain

RIGHT: dict[str, Any] = {"store": "/lambda/nfs/copies"}


def test_promised_defaults() -> None:
    whole = StackBackupConfig.model_validate(RIGHT)
    assert (whole.s3_endpoint, whole.key_env, whole.databases) == (None, KEY_VARIABLE, {})
    assert (whole.retention.daily, whole.retention.weekly, whole.retention.monthly) == (7, 4, 6)
    assert (whole.rpo_minutes, whole.rto_minutes) == (15, 60)


def test_a_whole_section_prints_back_as_it_was_written() -> None:
    whole = {
        "store": "s3://copies/staging",
        "s3_endpoint": "https://s3.example.com:9000",
        "key_env": "COPIES_KEY",
        "databases": {"ledger": {"url_env": "SOPHIA_LEDGER_URL"}},
        "retention": {"daily": 3, "weekly": 0, "monthly": 1},
        "rpo_minutes": 5,
        "rto_minutes": 30,
    }
    assert StackBackupConfig.model_validate(whole).model_dump(mode="json") == whole


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"store": "copies"}, "is no place for copies"),
        ({"store": "/lambda/../etc"}, "is no place for copies"),
        ({"store": "s3://"}, "is no place for copies"),
        ({"s3_endpoint": "https://user:pass@host"}, "is not an address"),
        ({"retention": {"daily": 0}}, "is out of range"),
        ({"databases": {"ledger": {"url_env": "postgresql://me:secret@db/x"}}}, "is not the name"),
        ({"keep": 7}, "is not a known key"),
    ],
)
def test_what_is_wrong_is_said_and_no_secret_repeated(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        StackBackupConfig.model_validate({**RIGHT, **changes})
    (problem,) = explain(caught.value, StackBackupConfig)
    assert words in str(problem.refused)
    assert "secret" not in str(problem.refused)
