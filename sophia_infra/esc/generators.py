"""New values for secrets that nobody else has to mint."""

from __future__ import annotations

import re
import secrets
import string
import uuid
from dataclasses import dataclass
from typing import Literal

from sophia_infra.esc.secret_text import SecretText

__all__ = ["Generator", "InvalidGenerator", "parse_generator"]

_FORM = re.compile(r"(password|hex):([0-9]{1,3})|(uuid)")
_LENGTHS = range(16, 257)
# Letters and digits only: a value also stands in URLs, shell scripts and connection strings.
_ALPHABET = string.ascii_letters + string.digits


class InvalidGenerator(ValueError):
    """The text names no generator; the message says what would."""


@dataclass(frozen=True, slots=True)
class Generator:
    """`length` is in characters: letters and digits for a password (5.9 bits each), hex digits for hex."""

    kind: Literal["password", "hex", "uuid"]
    length: int

    def make(self) -> SecretText:
        """A new value from the system's random source."""
        match self.kind:
            case "password":
                return SecretText("".join(secrets.choice(_ALPHABET) for _ in range(self.length)))
            case "hex":
                return SecretText(secrets.token_hex((self.length + 1) // 2)[: self.length])
            case "uuid":
                return SecretText(str(uuid.uuid4()))


def parse_generator(text: str) -> Generator:
    """Read `password:40`, `hex:64` or `uuid`. Raises InvalidGenerator."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise InvalidGenerator("write password:LENGTH, hex:LENGTH or uuid")
    if match[3]:
        return Generator("uuid", 36)
    length = int(match[2])
    if length not in _LENGTHS:
        raise InvalidGenerator("the length is 16 to 256 characters")
    return Generator("hex" if match[1] == "hex" else "password", length)
