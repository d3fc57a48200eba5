"""The SSH key of the stack's instances: the public half, or the name of a key that the account has."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Self

from pydantic import Field, model_validator

from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import ClosedModel, Conflict, ConflictsFound, Form, parse_text, text_form
from sophia_infra.model.redaction import PRIVATE_KEY_MARK

__all__ = ["SshConfig", "parse_public_key"]

MAX_PUBLIC_KEY_CHARACTERS = 4096
# Type -> number of length-prefixed fields of the body, the type itself included (RFC 4253, 5656, 8709).
_FIELDS = {
    "ssh-ed25519": 2,
    "ssh-rsa": 3,
    "ecdsa-sha2-nistp256": 3,
    "ecdsa-sha2-nistp384": 3,
    "ecdsa-sha2-nistp521": 3,
    "sk-ssh-ed25519@openssh.com": 3,
    "sk-ecdsa-sha2-nistp256@openssh.com": 4,
}
_ALLOWED = "one line of a .pub file: " + ", ".join(_FIELDS)


def parse_public_key(value: object) -> str:
    """One line `TYPE BASE64 [COMMENT]`, checked down to the fields of the body, and returned stripped.

    A private key pasted by mistake is refused, and no message ever repeats the text.
    """
    text = parse_text(value).strip()
    if PRIVATE_KEY_MARK.search(text):
        raise Refused(
            "is a PRIVATE key: take it out of the file, consider it known to others, and make a new pair",
            allowed=_ALLOWED,
            is_secret=True,
        )
    if len(text) > MAX_PUBLIC_KEY_CHARACTERS:
        raise _refused(f"has more than {MAX_PUBLIC_KEY_CHARACTERS} characters")
    if len(text.splitlines()) != 1:
        raise _refused("is not one line")
    key_type, _, rest = text.partition(" ")
    if key_type not in _FIELDS:
        raise _refused("does not begin with a type of public key")
    body = rest.partition(" ")[0]
    try:
        fields = _split_fields(base64.b64decode(body, validate=True))
    except (binascii.Error, ValueError):
        raise _refused(f"is cut short or damaged: the text behind {key_type} is not a key") from None
    if len(fields) != _FIELDS[key_type] or fields[0] != key_type.encode() or not all(fields):
        raise _refused(f"is damaged: the text behind {key_type} is not a key of that type")
    if key_type == "ssh-ed25519" and len(fields[1]) != 32:
        raise _refused("is damaged: an ssh-ed25519 key has 32 bytes")
    return text


def _split_fields(body: bytes) -> list[bytes]:
    """The length-prefixed fields of an SSH key body; ValueError when they do not fill it exactly."""
    fields, at = [], 0
    while at < len(body):
        end = at + 4 + int.from_bytes(body[at : at + 4], "big")
        if at + 4 > len(body) or end > len(body):
            raise ValueError("a field runs over the end")
        fields.append(body[at + 4 : end])
        at = end
    return fields


def _refused(message: str) -> Refused:
    return Refused(message, allowed=_ALLOWED, is_secret=True)


PublicKey = Annotated[
    str,
    Form(
        parse_public_key,
        {
            "type": "string",
            "maxLength": MAX_PUBLIC_KEY_CHARACTERS,
            "pattern": "^\\s*("
            + "|".join(name.replace(".", "\\.") for name in _FIELDS)
            + ") [A-Za-z0-9+/]+={0,2}",
        },
    ),
]


class SshConfig(ClosedModel):
    """The key every launched instance gets: exactly one of the two. The API takes one key per launch."""

    public_key: PublicKey | None = Field(
        default=None,
        description="One line of a .pub file; at most 4096 characters (API limit). Registered with Lambda "
        "and deleted with the stack. No default: a key nobody holds locks everybody out.",
    )
    existing: Annotated[str, text_form("a key name", max_characters=64)] | None = Field(
        default=None,
        description="Name of a key the account has already; at most 64 characters (API limit). Never changed "
        "or deleted. No default: names are not unique in an account, so none is guessed.",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.public_key is None) == (self.existing is None):
            found = "neither" if self.public_key is None else "both"
            raise ConflictsFound(
                [
                    Conflict(
                        (), Refused(f"has {found} of public_key and existing", allowed="exactly one of them")
                    )
                ]
            )
        return self
