"""One JSON object a line, without keys and without what an error's text may hold."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from sophia_infra.inference.gateway.keys import make_key
from sophia_infra.inference.gateway.logs import FIELDS, hide_keys, set_up_logs


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    output = io.StringIO()
    set_up_logs(stream=output)
    yield output
    root.handlers[:] = handlers
    root.setLevel(level)


def last(lines: io.StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(lines.getvalue().splitlines()[-1])
    return line


def test_a_line_has_its_fields_and_no_empty_ones(lines: io.StringIO) -> None:
    fields = {"user": "backend", "code": None, "usd": Decimal("0.000000100")}
    logging.getLogger("calls").info("call", extra={FIELDS: fields})
    line = last(lines)
    assert (line["level"], line["message"], line["user"]) == ("info", "call", "backend")
    assert line["usd"] == "0.000000100"
    assert "code" not in line


def test_keys_are_hidden_wherever_they_stand() -> None:
    key = make_key("backend")
    for text in (f"got {key}", f"Authorization: Bearer {key}", "Bearer abc.def", "sk-abcdefgh1234"):
        assert "***" in hide_keys(text)
        assert key not in hide_keys(text)
    assert hide_keys("postgresql://user:word@host/db") == "postgresql://***@host/db"
    assert hide_keys("request req-0123abcd of backend") == "request req-0123abcd of backend"


def test_a_key_in_a_message_does_not_reach_the_log(lines: io.StringIO) -> None:
    key = make_key("backend")
    logging.getLogger("x").warning("refused %s", key)
    assert key not in lines.getvalue()


def test_of_an_error_only_its_class_and_place_are_written(lines: io.StringIO) -> None:
    try:
        raise ValueError("the prompt")
    except ValueError:
        logging.getLogger("x").exception("failed")
    line = last(lines)
    assert line["error"] == "ValueError"
    assert "test_logs.py" in line["where"][0]
    assert "the prompt" not in lines.getvalue()
