"""The boot text of a node and the user's own, as one message that cloud-init takes apart again."""

from __future__ import annotations

import hashlib
import re
from email import message_from_string, policy
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

__all__ = ["merge_user_data"]

# By cloud-init's table of beginnings (cloudinit/handlers, INCLUSION_TYPES_MAP).
_TYPES = (
    ("#cloud-config", "cloud-config"),
    ("#!", "x-shellscript"),
    ("#include-once", "x-include-once-url"),
    ("#include", "x-include-url"),
    ("#cloud-boothook", "cloud-boothook"),
    ("#part-handler", "part-handler"),
    ("#upstart-job", "upstart-job"),
)
_MERGE = "list(append)+dict(no_replace,recurse_list)+str()"
"""Both parts may have `write_files` and `runcmd`: without this, cloud-init lets one replace the other."""


def merge_user_data(join: str, own: str | None) -> str:
    """One text for both: `join` alone, or a MIME message with the user's own part first.

    The same texts always give the same message. `own` is what `model.user_data` accepts: the user's values
    of a key that both have (not a list) win, and both lists run, the user's first.
    """
    if own is None or not own.strip():
        return join
    digest = hashlib.sha256(f"{len(join)}:{join}{own}".encode()).hexdigest()
    whole = MIMEMultipart("mixed", boundary=f"===={digest[:40]}====")
    for part in _parts(own):
        whole.attach(part)
    added = _text_part(join, "cloud-config")
    added.add_header("X-Merge-Type", _MERGE)
    whole.attach(added)
    return whole.as_string(policy=policy.compat32.clone(max_line_length=None))


def _parts(own: str) -> list[Message]:
    """The parts of the user's text: itself, or those of the MIME message that it already is."""
    if re.match(r"Content-Type:|MIME-Version:", own, re.IGNORECASE):
        message = message_from_string(own)
        payload = message.get_payload()
        if message.is_multipart() and isinstance(payload, list):
            return [one for one in payload if isinstance(one, Message)]
        return [message]
    if re.match(r"## *template: *jinja", own, re.IGNORECASE):
        return [_text_part(own, "jinja2")]
    kind = next((kind for beginning, kind in _TYPES if own.startswith(beginning)), "plain")
    return [_text_part(own, kind)]


def _text_part(text: str, kind: str) -> MIMEText:
    return MIMEText(text, kind, "us-ascii" if text.isascii() else "utf-8")
