"""Boot text: checked wherever it comes from, read from a file beside the stack file."""

from __future__ import annotations

import re
from pathlib import Path

from sophia_infra.model.beside import read_beside
from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import parse_text
from sophia_infra.model.redaction import PRIVATE_KEY_MARK

__all__ = ["MAX_USER_DATA_BYTES", "parse_user_data", "read_user_data"]

MAX_USER_DATA_BYTES = 1_000_000

_USER_DATA_STARTS = ("#cloud-config", "#!", "#include", "#cloud-boothook", "#part-handler", "#upstart-job")
_USER_DATA_FORMS = "text that begins with #cloud-config, #!, ## template: jinja, or a MIME header"


def parse_user_data(value: object) -> str:
    """Plain cloud-init text of at most 1 MB as UTF-8. Never repeated in a message.

    Text that cloud-init would ignore is refused, because the machine would boot, cost money and do nothing:
    base64 (the API takes plain text) and text without a cloud-init header.
    """
    text = parse_text(value)
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise Refused("is not text that UTF-8 can hold", is_secret=True) from None
    if size > MAX_USER_DATA_BYTES:
        raise Refused(f"has {size:,} bytes", allowed=f"at most {MAX_USER_DATA_BYTES:,} bytes", is_secret=True)
    if PRIVATE_KEY_MARK.search(text):
        raise Refused("holds a private key; user data is stored in the stack's state", is_secret=True)
    if not text.startswith(_USER_DATA_STARTS) and not re.match(
        r"## *template: *jinja|Content-Type:|MIME-Version:", text, re.IGNORECASE
    ):
        raise Refused("is nothing that cloud-init reads", allowed=_USER_DATA_FORMS, is_secret=True)
    return text


def read_user_data(name: str, folder: Path) -> str:
    """The checked text of `folder`/`name`. Raises Refused; only files inside `folder` are read."""
    text = read_beside(name, folder)
    try:
        return parse_user_data(text)
    except Refused as refused:
        raise Refused(f"names a file whose text {refused.message}", allowed=refused.allowed) from None
