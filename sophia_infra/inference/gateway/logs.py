"""One JSON object a line. No prompt, no answer and no key is ever in it, whatever a message holds."""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TextIO

__all__ = ["CALL_LOG", "FIELDS", "JsonLines", "hide_keys", "set_up_logs"]

CALL_LOG: Final = "sophia_infra.inference.calls"
"""Name of the logger with one line for each call; its fields come in `extra={FIELDS: {...}}`."""

FIELDS: Final = "fields"

_KEY = re.compile(r"\bsk-[A-Za-z0-9_-]{8,}|(?<=Bearer )\S+", re.ASCII)
_USER_INFO = re.compile(r"(?<=://)[^/\s@]+(?=@)")


def hide_keys(text: str) -> str:
    """`text` without anything that looks like a key, a bearer token or a password in an address."""
    return _USER_INFO.sub("***", _KEY.sub("***", text))


class JsonLines(logging.Formatter):
    """`time` (UTC), `level`, `logger`, `message`, then the fields of `extra`.

    Of an exception only its class and the places in the code are written: its text may hold a body.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": hide_keys(record.getMessage()),
        }
        fields = getattr(record, FIELDS, None)
        if isinstance(fields, dict):
            line.update({name: value for name, value in fields.items() if value is not None})
        if record.exc_info and record.exc_info[0] is not None:
            kind, _, where = record.exc_info
            line["error"] = kind.__name__
            line["where"] = [f"{at.filename}:{at.lineno} {at.name}" for at in traceback.extract_tb(where)]
        return json.dumps(line, ensure_ascii=False, separators=(",", ":"), default=_plain)


def set_up_logs(level: str = "info", stream: TextIO | None = None) -> None:
    """Send every log of this process through `JsonLines` to `stream` (stderr)."""
    output = logging.StreamHandler(stream or sys.stderr)
    output.setFormatter(JsonLines())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(output)
    root.setLevel(level.upper())
    for chatty in ("httpx2", "httpx2", "httpcore", "openai", "uvicorn", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _plain(value: object) -> str:
    return format(value, "f") if isinstance(value, Decimal) else hide_keys(str(value))
