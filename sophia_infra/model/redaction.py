"""What a message about a stack file may show of a value. In doubt, nothing.

A wrong value is often a right value in the wrong place, and that may be a key. So a value is hidden when
its shape or the name of its key is that of a secret.
"""

from __future__ import annotations

import json
import re

__all__ = ["HIDDEN", "PRIVATE_KEY_MARK", "looks_like_secret", "shown"]

HIDDEN = "(hidden)"
PRIVATE_KEY_MARK = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File", re.IGNORECASE)

_SHOWN_CHARACTERS = 60
_SECRET_SHAPES = re.compile(
    r"PRIVATE KEY"
    r"|\bsecret_[\w-]*[0-9a-f]{16}"  # Lambda Cloud
    r"|\bpul-[0-9a-f]{16}"  # Pulumi
    r"|\b(?:gh[opsur]|github_pat|glpat|hf|xox[a-z])[_-]\w{8}"
    r"|\bsk-[\w-]{12}"
    r"|\bAKIA[0-9A-Z]{12}"
    r"|\beyJ[\w-]{8,}\."  # JSON web tokens
    r"|\bv1:[\w+/=]{8,}:"  # Pulumi ciphertext
    r"|://[^/\s@]*:[^/\s@]*@"  # a password in an address
    r"|(?=[A-Za-z+/_=.~-]*[0-9])(?=[0-9+/_=.~-]*[A-Za-z])[A-Za-z0-9+/_=.~-]{40}"  # any mixed run that long
)
_SECRET_NAMES = re.compile(
    r"secret|token(?!s)|passw|passphrase|credential|api_?key|private|user_data$", re.IGNORECASE
)


def looks_like_secret(text: str) -> bool:
    """True when `text` has the shape of a key, token, password or ciphertext. Errs on the side of True."""
    return bool(_SECRET_SHAPES.search(text))


def shown(value: object, key: str = "") -> str | None:
    """`value` as JSON text for a message: shortened, `(hidden)` if it may be a secret, None if not a scalar.

    Args:
        value: anything that YAML or JSON can hold.
        key: the last part of its path; values of keys like `api_key` or `user_data` are never shown.
    """
    if value is None or isinstance(value, (dict, list, tuple)):
        return None
    if _SECRET_NAMES.search(key):
        return HIDDEN
    if not isinstance(value, str):
        return json.dumps(value, default=str)
    if looks_like_secret(value):
        return HIDDEN
    text = value if len(value) <= _SHOWN_CHARACTERS else value[: _SHOWN_CHARACTERS - 3] + "..."
    return json.dumps(text, ensure_ascii=False)
