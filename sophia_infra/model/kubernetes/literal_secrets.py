"""Secrets written where everybody reads them: refused before they reach state, API server and git."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import Conflict
from sophia_infra.model.redaction import PRIVATE_KEY_MARK, looks_like_secret

__all__ = ["find_literal_secrets"]

_SECRET_NAME = re.compile(
    r"(?:^|[_.-])(?:secret|token|password|passwd|passphrase|credentials?|api_?key|private_?key|requirepass"
    r"|masterauth)(?:$|[_.-])",
    re.IGNORECASE,
)
_HARMLESS = re.compile(r"(?:|true|false|none|[0-9]{1,9}|[$/].*)", re.IGNORECASE)


def find_literal_secrets(key: str, values: Mapping[str, str]) -> Iterator[Conflict]:
    """Entries of `key` that hold a secret: by their shape, or by their name when they are no path or number.

    The value is never repeated.
    """
    for name, value in values.items():
        has_shape = looks_like_secret(value) or PRIVATE_KEY_MARK.search(value)
        if has_shape or (_SECRET_NAME.search(name) and not _HARMLESS.fullmatch(value)):
            why = "has the shape of a secret" if has_shape else "is named like a secret"
            refused = Refused(
                f"{why}, and this file is no place for one: store it in the ESC environment, name its path "
                "in secret_env, and take the one written here out of use",
                is_secret=True,
            )
            yield Conflict((key, name), refused, value)
