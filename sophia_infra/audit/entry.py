"""One line of an audit log: what it holds, and what it never holds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal, cast, get_args

__all__ = ["AuditEntry", "Outcome", "parse_entry", "without_secrets"]

Outcome = Literal["begun", "done", "failed", "refused", "interrupted"]

_SECRET_NAME: Final = re.compile(r"passw|passphrase|secret|token|api_?key|private_?key|credential", re.I)
# Names that match and hold no secret: a public name or path of one.
_HARMLESS_NAME: Final = re.compile(r"_(name|names|path|paths|file|count|env)$", re.I)
_NOT_KEPT: Final = "(not recorded)"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line.

    Attributes:
        when: UTC, ISO 8601 with seconds.
        who: `user@host`, with the actor of CI in front where there is one.
        action: the command, words joined by a space: `up`, `backup restore`, `train run`.
        subject: what was changed: `stack production`, `instance 0920582c7ff041399e34823a0be62549`.
        why: the reason, one sentence or the command line.
        before, after: plain values that tell the difference; empty where nothing is known.
        usd_per_month_change: of 720 h, negative when it saves; None when it is not known or not about money.
        outcome: `begun` before anything is sent, one of the others afterwards.
        change: the same for all lines of one change; 12 hex digits.
        previous: SHA-256 of the line before, in hex.
    """

    when: str
    who: str
    action: str
    subject: str
    why: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    usd_per_month_change: Decimal | None
    outcome: Outcome
    change: str
    previous: str

    def as_json(self) -> dict[str, Any]:
        """The document of the line, in the order of the attributes; dollars as a string."""
        document = {name: getattr(self, name) for name in _FIELDS}
        if self.usd_per_month_change is not None:
            document["usd_per_month_change"] = str(self.usd_per_month_change)
        return document


_FIELDS: Final = tuple(field.name for field in fields(AuditEntry))


def parse_entry(line: bytes) -> AuditEntry | None:
    """The entry of a line; None for a line that is no entry."""
    try:
        document = json.loads(line)
        if tuple(document) != _FIELDS or document["outcome"] not in get_args(Outcome):
            return None
        amount = document["usd_per_month_change"]
        document["usd_per_month_change"] = None if amount is None else Decimal(amount)
        return AuditEntry(**document)
    except (ValueError, TypeError, InvalidOperation):
        return None


def without_secrets(values: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """`values` without what is named like a secret, and without the `known` ones wherever they stand."""
    return cast(dict[str, Any], _clean(dict(values), known))


def _clean(value: Any, known: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return {
            str(name): _NOT_KEPT if _is_secret_name(str(name)) else _clean(inner, known)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_clean(inner, known) for inner in value]
    if isinstance(value, bool | int | None):
        return value
    text = str(value)
    for secret in known:
        text = text.replace(secret, _NOT_KEPT)
    return text


def _is_secret_name(name: str) -> bool:
    return bool(_SECRET_NAME.search(name)) and not _HARMLESS_NAME.search(name)
